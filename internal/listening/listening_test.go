package listening

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFindOurselves listens and looks for it: the port, this process and its
// command line are told.
func TestFindOurselves(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	all, err := Find("")
	if err != nil {
		t.Fatal(err)
	}
	k := slices.IndexFunc(all, func(s Socket) bool { return s.Port() == port && s.PID == os.Getpid() })
	if k < 0 || !slices.Equal(all[k].Args, os.Args) {
		t.Fatalf("Find() lacks port %d of process %d with %q: %v", port, os.Getpid(), os.Args, all)
	}
	if got := all[k].Local().String(); got != fmt.Sprintf("127.0.0.1:%d", port) {
		t.Errorf("Local() = %s", got)
	}
}

// root writes a /proc with the lines of net/tcp and tcp6, and with processes that
// have sockets open.
func root(t *testing.T, four, six string, sockets map[int]string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	write("proc/net/tcp", head+four)
	if six != "" {
		write("proc/net/tcp6", head+six)
	}
	for pid, target := range sockets {
		write(fmt.Sprintf("proc/%d/cmdline", pid), "vllm\x00serve\x00\x1b[2Jm\x00")
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprintf("proc/%d/fd", pid)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, fmt.Sprintf("proc/%d/fd/3", pid))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	// 0x1F40 is 8000, 0x1F90 8080; 0A listens, 01 is a connection. An address is
	// written in the machine's order, 0100007F.
	dir := root(t,
		"   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0\n"+
			"   1: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1 0 100 0 0 10 0\n"+
			"   2: 0100007F:1F41 0100007F:1F40 01 00000000:00000000 00:00000000 00000000     0        0 79 1 0 100 0 0 10 0\n",
		"   0: 00000000000000000000000000000000:1F40 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 80 1 0 100 0 0 10 0\n",
		map[int]string{41: "socket:[78]", 42: "socket:[78]", 43: "/dev/null"})
	all, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, fmt.Sprintf("%s %s %d", s.Address, s.Local(), s.PID))
	}
	want := []string{"127.0.0.1:8000 127.0.0.1:8000 41", "[::]:8000 [::1]:8000 0", "0.0.0.0:8080 127.0.0.1:8080 0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if text := all[0].String(); text != "port 8000 (pid 41, vllm serve ?[2Jm)" {
		t.Errorf("String() = %q", text)
	}
	secret := Socket{PID: 1, Args: []string{"vllm", "--api-key", "sk-1", "m", "--hf-token=hf-2", "--port", "80"}}
	if text := secret.String(); text != "port 0 (pid 1, vllm --api-key [hidden] m --hf-token=[hidden] --port 80)" {
		t.Errorf("String() = %q", text)
	}
	if text := all[2].String(); !strings.Contains(text, "port 8080 (whose is unknown") {
		t.Errorf("String() = %q", text)
	}
	// Without IPv6, and without anything.
	if all, err := Find(root(t, "", "", map[int]string{41: "socket:[78]"})); err != nil || len(all) != 0 {
		t.Errorf("nothing listens: %v, %v", all, err)
	}
	if _, err := Find(t.TempDir()); err == nil {
		t.Error("no /proc is no fault")
	}
}
