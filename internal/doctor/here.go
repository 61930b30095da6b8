package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Here is this machine, as far as no GPU is asked: the functions by which the
// checks look. The caller adds what it knows.
func Here() Machine {
	return Machine{Look: exec.LookPath, Docker: askDocker, Space: space, Synced: synced, Reaches: reaches}
}

// patience bounds what is asked of other programs and servers.
const patience = 5 * time.Second

// engineVariables are those of ours that an engine's command is given: where things
// are, and how its daemon is reached. Any other may hold a secret.
var engineVariables = []string{
	"PATH", "LD_LIBRARY_PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
	"DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS",
	"DOCKER_TLS_VERIFY", "DOCKER_API_VERSION", "CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINER_SSHKEY", "CONTAINERS_CONF",
	"CONTAINERS_STORAGE_CONF", "CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE", "NERDCTL_TOML",
}

// engineEnvironment is never nil, which would mean all of ours.
func engineEnvironment() []string {
	env := make([]string, 0, len(engineVariables))
	for _, name := range engineVariables {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// askDocker asks an engine for its version and runtimes.
func askDocker(ctx context.Context, program string) (Docker, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, "info", "--format", "{{json .}}")
	c.WaitDelay, c.Env = patience, engineEnvironment()
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	err := c.Run()
	said := strings.Join(strings.Fields(talk.String()), " ")
	switch {
	case ctx.Err() != nil:
		return Docker{}, fmt.Errorf("no answer within %v", patience)
	case err != nil && strings.Contains(said, "permission denied"):
		return Docker{}, fmt.Errorf("%s: %w", cut(said), ErrDenied)
	case err != nil && said != "":
		return Docker{}, errors.New(cut(said))
	case err != nil:
		return Docker{}, err
	}
	return readDocker(out.Bytes())
}

// readDocker reads an engine's own words. Without a daemon docker says so in them,
// and ends with status 0.
func readDocker(text []byte) (Docker, error) {
	var info struct {
		ServerVersion string
		ServerErrors  []string
		Runtimes      map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return Docker{}, fmt.Errorf("read what it says: %w", err)
	}
	if said := strings.Join(info.ServerErrors, "; "); said != "" {
		if strings.Contains(said, "permission denied") {
			return Docker{}, fmt.Errorf("%s: %w", cut(said), ErrDenied)
		}
		return Docker{}, errors.New(cut(said))
	}
	return Docker{Version: info.ServerVersion, Runtimes: slices.Sorted(maps.Keys(info.Runtimes))}, nil
}

// cut bounds the words of another program.
func cut(text string) string {
	const most = 200
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + " …"
	}
	return text
}

// space looks at the file system of a path, or of the first folder above it that
// exists. It writes nothing.
func space(path string) (Space, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return Space{}, err
	}
	path = whole
	for {
		_, err := os.Stat(path)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		path = filepath.Dir(path)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Space{}, fmt.Errorf("ask the file system of %s: %w", path, err)
	}
	return Space{
		FreeBytes: s.Bavail * uint64(s.Bsize), TotalBytes: s.Blocks * uint64(s.Bsize),
		FreeFiles: s.Ffree, TotalFiles: s.Files,
		ReadOnly: s.Flags&unix.ST_RDONLY != 0, Writable: unix.Access(path, unix.W_OK|unix.X_OK) == nil,
		Path: whole, Within: path,
	}, nil
}

// synced asks the kernel (adjtimex(2), which changes nothing with no mode).
func synced() (bool, error) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, err
	}
	return t.Status&unix.STA_UNSYNC == 0, nil
}

// reaches sends one GET to a URL and waits for its status line, whatever that is.
func reaches(ctx context.Context, text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	defer c.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, text, nil)
	if err != nil {
		return err
	}
	// Whose certificate it is does not matter here: nothing that is secret is sent, and
	// nothing but a status line is read. Redirects are one, and are not followed.
	t := &http.Transport{
		DialContext:     func(context.Context, string, string) (net.Conn, error) { return c, nil },
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}
	answer, err := t.RoundTrip(request)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w within %v", ErrSilent, patience)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSilent, err)
	}
	return answer.Body.Close()
}
