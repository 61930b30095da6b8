package roofline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/evabench/evabench/results"
)

// validFor is how long a measurement is believed.
const validFor = 24 * time.Hour

// DefaultCacheDir is where the user's programs keep what can be made again.
func DefaultCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache of the selftest: %w", err)
	}
	return filepath.Join(dir, "evabench"), nil
}

// ForRun gives what the client can do: as it was measured within the last 24
// hours by this binary, on this processor model, since this boot and with as many
// processors, or else measured now, which takes some 3 s, and kept in cacheDir. An
// empty cacheDir keeps nothing; one that cannot be written is a warning.
func ForRun(ctx context.Context, cacheDir string) (results.SelfTest, error) {
	return forRun(ctx, cacheDir, Options{Quick: true})
}

func forRun(ctx context.Context, cacheDir string, o Options) (results.SelfTest, error) {
	id, err := identify()
	if err != nil {
		return results.SelfTest{}, err
	}
	var file string
	if cacheDir != "" {
		at, err := cacheKey(id)
		if err != nil {
			return results.SelfTest{}, err
		}
		file = filepath.Join(cacheDir, "selftest-"+at+".json")
		if s, ok := cached(file, id, time.Now()); ok {
			return s, nil
		}
	}
	s, err := Measure(ctx, o)
	if err != nil || file == "" {
		return s, err
	}
	if err := keep(file, s); err != nil {
		s.Warnings = append(s.Warnings, results.Warning{
			Code: "selftest-not-kept", Text: fmt.Sprintf("the next run measures again: %v", err), Count: 1,
		})
	}
	return s, nil
}

// cacheKey names a file for what a measurement holds for.
func cacheKey(id identity) (string, error) {
	cpus, err := allowed()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %v", id.binary, id.cpu, id.boot, cpus))
	return hex.EncodeToString(sum[:8]), nil
}

// cached reads what was kept, and reports false if there is nothing to believe.
func cached(file string, id identity, now time.Time) (results.SelfTest, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return results.SelfTest{}, false
	}
	var s results.SelfTest
	if err := json.Unmarshal(text, &s); err != nil {
		return results.SelfTest{}, false // half a file, or another version's: measured again
	}
	age := now.Sub(s.Measured)
	same := identity{s.BinarySHA256, s.CPUModel, s.Boot} == id
	return s, same && age >= 0 && age < validFor && s.Small != nil && s.Images != nil && s.Streams != nil
}

func keep(file string, s results.SelfTest) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(file, append(text, '\n'), 0o600)
}
