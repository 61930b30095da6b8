package evabench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVuln tries make vuln against databases of our own: one that knows a
// vulnerability of a function that is called, one that knows it of a function that
// is not, and one that cannot be reached, which is no pass.
func TestVuln(t *testing.T) {
	for _, c := range []struct {
		db     string
		status int
		says   string
	}{
		{vulnerable(t, "LookupEnv"), 1, "affected by 1 vulnerability"},
		{vulnerable(t, "Chroot"), 0, "No vulnerabilities found"},
		{"http://127.0.0.1:1", 75, "NOT RUN: the vulnerability database http://127.0.0.1:1 cannot be reached"},
	} {
		cmd := exec.CommandContext(t.Context(), "scripts/vuln.sh", "./internal/environ")
		cmd.Env = append(os.Environ(), "EVABENCH_VULNDB="+c.db)
		said, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.status || !strings.Contains(string(said), c.says) {
			t.Errorf("%s: status %d (%v), want %d and %q:\n%s", c.db, got, err, c.status, c.says, said)
		}
	}
}

// vulnerable makes a database in which a function of package os is vulnerable
// (https://go.dev/doc/security/vuln/database).
func vulnerable(t *testing.T, function string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index/db.json":      `{"modified": "2026-01-01T00:00:00Z"}`,
		"index/modules.json": `[{"path": "stdlib", "vulns": [{"id": "GO-2026-0001", "modified": "2026-01-01T00:00:00Z"}]}]`,
		"index/vulns.json":   `[{"id": "GO-2026-0001", "modified": "2026-01-01T00:00:00Z"}]`,
		"ID/GO-2026-0001.json": `{"schema_version": "1.3.1", "id": "GO-2026-0001", "modified": "2026-01-01T00:00:00Z",
			"published": "2026-01-01T00:00:00Z", "summary": "made up", "details": "made up", "affected": [{
			"package": {"name": "stdlib", "ecosystem": "Go"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
			"ecosystem_specific": {"imports": [{"path": "os", "symbols": ["` + function + `"]}]}}], "database_specific": {"url": "https://example.org"}}`,
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + dir
}
