package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree makes files of random bytes, which do not shrink.
func tree(t *testing.T, files map[string]int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "gpu-check")
	random := rand.NewChaCha8([32]byte{1})
	for name, size := range files {
		path := filepath.Join(dir, name)
		need(t, os.MkdirAll(filepath.Dir(path), 0o700))
		data := make([]byte, size)
		random.Read(data)
		need(t, os.WriteFile(path, data, 0o600))
	}
	return dir
}

// members lists what is in an archive, sorted.
func members(t *testing.T, file string) (names []string, evidence string) {
	t.Helper()
	f, err := os.Open(file)
	need(t, err)
	defer f.Close()
	zip, err := gzip.NewReader(f)
	need(t, err)
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		need(t, err)
		text, err := io.ReadAll(r)
		need(t, err)
		names = append(names, strings.TrimPrefix(h.Name, "gpu-check/"))
		if h.Name == "gpu-check/evidence.md" {
			evidence = string(text)
		}
	}
	slices.Sort(names)
	return names, evidence
}

// The largest samples go first, then observations, then logs; nothing else; and
// the page in the archive says what went.
func TestPack(t *testing.T) {
	files := map[string]int{
		"runs/a/samples.parquet": 30_000, "runs/b/samples.parquet": 50_000, "runs/a/observations.parquet": 20_000,
		"runs/a/logs/x.log": 10_000, "runs/a/cell.json": 5_000,
	}
	for _, c := range []struct {
		limit   int64
		dropped []string
	}{
		{200_000, nil},
		{100_000, []string{"runs/b/samples.parquet"}},
		{60_000, []string{"runs/b/samples.parquet", "runs/a/samples.parquet"}},
		{30_000, []string{"runs/b/samples.parquet", "runs/a/samples.parquet", "runs/a/observations.parquet"}},
		{8_000, []string{"runs/b/samples.parquet", "runs/a/samples.parquet", "runs/a/observations.parquet", "runs/a/logs/x.log"}},
	} {
		dir := tree(t, files)
		out := filepath.Join(t.TempDir(), "out.tar.gz")
		dropped, size, err := pack(dir, out, c.limit, func(dropped []string) string { return fmt.Sprint(dropped) })
		need(t, err)
		info, err := os.Stat(out)
		need(t, err)
		names, evidence := members(t, out)
		want := []string{"evidence.md"}
		for name := range files {
			if !slices.Contains(c.dropped, name) {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if !slices.Equal(dropped, c.dropped) || !slices.Equal(names, want) || evidence != fmt.Sprint(c.dropped) || size != info.Size() || size > c.limit {
			t.Errorf("limit %d: %d bytes (file %d), dropped %q, members %q, evidence %q; want dropped %q", c.limit, size, info.Size(), dropped, names, evidence, c.dropped)
		}
	}
}

// What cannot be made small enough leaves no file.
func TestPackTooLarge(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.tar.gz")
	_, _, err := pack(tree(t, map[string]int{"cell.json": 5_000}), out, 4_000, func([]string) string { return "" })
	if err == nil {
		t.Error("5,000 random bytes fit into 4,000")
	}
	left, globErr := filepath.Glob(out + "*")
	need(t, globErr)
	if _, stat := os.Stat(out); !errors.Is(stat, fs.ErrNotExist) || len(left) > 0 {
		t.Errorf("left: %v, %v", left, stat)
	}
}
