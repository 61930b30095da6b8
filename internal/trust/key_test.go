package trust

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const sesame = "sk-proj-sesame-sesame"

// write makes a file of that mode, whatever the umask.
func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestKey(t *testing.T) {
	t.Setenv("EVABENCH_TEST_KEY", sesame)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(write(t, sesame+"\n", 0o440), link); err != nil {
		t.Fatal(err)
	}
	bearer := Field{"Authorization", "Bearer " + sesame}
	for name, c := range map[string]struct {
		key  Key
		want Field
	}{
		"none":         {Key{}, Field{}},
		"variable":     {Key{APIKeyEnv: "EVABENCH_TEST_KEY"}, bearer},
		"file":         {Key{APIKeyFile: write(t, "\n "+sesame+" \r\n", 0o600)}, bearer},
		"link":         {Key{APIKeyFile: link}, bearer}, // as Kubernetes mounts secrets
		"other header": {Key{APIKeyEnv: "EVABENCH_TEST_KEY", APIKeyHeader: "x-api-key"}, Field{"X-Api-Key", sesame}},
	} {
		key, got, err := c.key.Read()
		if err != nil || got != c.want || (key == sesame) != (c.want != Field{}) {
			t.Errorf("%s: %q, %+v, %v; want %+v", name, key, got, err, c.want)
		}
	}
}

// Refused is what cannot be a key, and no word of it is told.
func TestKeyRefused(t *testing.T) {
	t.Setenv("EVABENCH_TEST_KEY", sesame)
	t.Setenv("EVABENCH_TEST_BAD_KEY", sesame+"\r\nX-Other: 1")
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, key := range map[string]Key{
		"both given":                       {APIKeyEnv: "EVABENCH_TEST_KEY", APIKeyFile: "x"},
		"EVABENCH_TEST_NONE of api_key":    {APIKeyEnv: "EVABENCH_TEST_NONE"},
		"cannot be sent":                   {APIKeyEnv: "EVABENCH_TEST_BAD_KEY"},
		`field "Authorization" cannot be`:  {APIKeyFile: write(t, sesame+"\n"+sesame, 0o600)},
		"without a key":                    {APIKeyHeader: "X-Api-Key"},
		"no such file":                     {APIKeyFile: pipe + "x"},
		"is no file":                       {APIKeyFile: pipe}, // and does not wait for a writer
		"written by others (mode -rw-rw--": {APIKeyFile: write(t, sesame, 0o660)},
		"holds no key":                     {APIKeyFile: write(t, " \n", 0o600)},
		"larger than 64 KiB":               {APIKeyFile: write(t, sesame+strings.Repeat(" ", maxKey), 0o600)},
	} {
		got, field, err := key.Read()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") || got != "" || field != (Field{}) {
			t.Errorf("%+v: %q, %+v, %v; want an error with %q and nothing of the key", key, got, field, err, want)
		}
	}
}

func TestHide(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"wrong key " + sesame + "!":  "wrong key [key]!",
		sesame + sesame:              "[key][key]",
		"cut: " + sesame[:keyHead]:   "cut: [key]",
		"cut: " + sesame[:keyHead-1]: "cut: " + sesame[:keyHead-1],
	} {
		if got := Hide(text, sesame); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := Hide("x", ""); got != "x" {
		t.Errorf("without a secret: %q", got)
	}
	if got := Hide("a pin: 12", "12"); got != "a pin: [key]" {
		t.Errorf("a short secret: %q", got)
	}
}

// A short key is hidden as a whole word alone: names of series stay.
func TestHideShort(t *testing.T) {
	for _, c := range []struct{ secret, text, want string }{
		{"token", "vllm:prompt_tokens_total 3", "vllm:prompt_tokens_total 3"},
		{"token", "Bearer token", "Bearer [key]"},
		{"token", `q{who="token",of="tokens"} 1, token`, `q{who="[key]",of="tokens"} 1, [key]`},
		{"vllm", "vllm:prompt_tokens_total{by=\"vllm\"} 3", "vllm:prompt_tokens_total{by=\"[key]\"} 3"},
		{"vllm", "not vllm: no", "not [key]: no"},
		{"seven77", "seven777 seven77", "seven777 [key]"},  // 7 bytes
		{"eight888", "eight8888 eight888", "[key]8 [key]"}, // 8 bytes: known by its beginning
		{"-a-", "x-a-y", "x[key]y"},
	} {
		if got := Hide(c.text, c.secret); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.secret, c.text, got, c.want)
		}
	}
}

// A server that repeats the key's beginning costs what the text is long: the growing of
// one text is some tens of allocations, and copying it at each hit would be 4096.
func TestHideLinear(t *testing.T) {
	for _, secret := range []string{sesame, "x"} {
		text := strings.Repeat(secret[:min(len(secret), keyHead)]+" ", 4096)
		if n := testing.AllocsPerRun(1, func() { Hide(text, secret) }); n > 64 {
			t.Errorf("%q: %v allocations", secret, n)
		}
	}
}

func TestSecretField(t *testing.T) {
	for name, want := range map[string]bool{
		"Authorization": true, "Proxy-Authorization": true, "Cookie": true, "Set-Cookie": true, "X-API-Key": true, "X-Auth-Token": true,
		"apikey": true, "X-Client-Secret": true, "Accept": false, "X-Request-Id": false, "X-Model": false, "": false,
	} {
		if got := SecretField(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
