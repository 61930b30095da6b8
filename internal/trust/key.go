package trust

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Key says where a server's key is. The key itself stands in no scenario, and is
// written nowhere. The zero value is none.
type Key struct {
	// APIKeyEnv names the environment variable that holds the key.
	APIKeyEnv string `yaml:"api_key_env" json:"api_key_env,omitempty"`
	// APIKeyFile is the file that holds the key, as its one line. It may be a link,
	// and nobody but its owner may write it.
	APIKeyFile string `yaml:"api_key_file" json:"api_key_file,omitempty"`
	// APIKeyHeader is the header field that carries the key alone; empty means
	// "Authorization: Bearer KEY".
	APIKeyHeader string `yaml:"api_key_header" json:"api_key_header,omitempty"`
}

// A Field is the header field that proves who we are. The zero value is none.
type Field struct{ Name, Value string }

// named are the variables that were read for a key in this process.
var named sync.Map

// IsKey reports whether a variable was read for a key since the program began, which is
// when a scenario is checked, whatever the variable's name. It is safe for concurrent use.
func IsKey(variable string) bool {
	_, is := named.Load(variable)
	return is
}

// Read reads the key and gives it with the field that carries it; both are empty
// if there is none. An error names the variable or the file and holds nothing of
// the key.
func (k Key) Read() (key string, f Field, err error) {
	switch {
	case k.APIKeyEnv != "" && k.APIKeyFile != "":
		return "", f, errors.New("api_key_env and api_key_file are both given; leave one of them out")
	case k.APIKeyEnv != "":
		named.Store(k.APIKeyEnv, true)
		if key = os.Getenv(k.APIKeyEnv); key == "" {
			return "", f, fmt.Errorf("the environment variable %s of api_key_env is not set", k.APIKeyEnv)
		}
	case k.APIKeyFile != "":
		if key, err = readKey(k.APIKeyFile); err != nil {
			return "", f, fmt.Errorf("api_key_file: %w", err)
		}
	case k.APIKeyHeader != "":
		return "", f, errors.New("api_key_header is given without a key; add api_key_env or api_key_file")
	default:
		return "", f, nil
	}
	if f = (Field{"Authorization", "Bearer " + key}); k.APIKeyHeader != "" {
		f = Field{http.CanonicalHeaderKey(k.APIKeyHeader), key}
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.TrimSpace(f.Name) == "" {
		return "", Field{}, fmt.Errorf("the header field %q cannot be sent: the key holds a line break or another control character, or the field has no name", f.Name)
	}
	return key, f, nil
}

// SecretField reports whether a header field's name is such as carries a secret.
func SecretField(name string) bool {
	name = strings.ToLower(name)
	for _, end := range []string{"authorization", "cookie", "api-key", "apikey", "token", "secret", "password"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// maxKey bounds a key's file, in bytes.
const maxKey = 64 << 10

// readKey reads the one line of a file. It does not wait for a pipe's writer.
func readKey(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file", path)
	case info.Mode().Perm()&0o022 != 0:
		return "", fmt.Errorf("%s can be written by others (mode %v); say chmod 600 %[1]s", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(text))
	if key == "" || len(text) > maxKey {
		return "", fmt.Errorf("%s holds no key: it is empty, or larger than %d KiB", path, maxKey>>10)
	}
	return key, nil
}

// keyHead is how much of a secret it is known by, in bytes.
const keyHead = 8

// Hide puts [key] in the place of a secret in a text, also where only its beginning
// is left of it. A secret shorter than keyHead is hidden where it is a whole word
// alone: elsewhere it is part of common text, such as a series' name. An empty secret
// hides nothing. The cost grows as the text does, whatever is in it.
func Hide(text, secret string) string {
	if secret == "" {
		return text
	}
	head, rest := secret[:min(len(secret), keyHead)], secret[min(len(secret), keyHead):]
	var out strings.Builder
	done := 0 // of text, what stands in out
	for at := 0; ; {
		i := strings.Index(text[at:], head)
		if i < 0 {
			break
		}
		begin := at + i
		end := begin + len(head)
		if len(secret) < keyHead && !isWord(text, begin, end) {
			at = begin + 1
			continue
		}
		for n := 0; n < len(rest) && end < len(text) && text[end] == rest[n]; n++ {
			end++
		}
		out.WriteString(text[done:begin])
		out.WriteString("[key]")
		at, done = end, end
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// isWord reports whether no word goes on at either side of text[begin:end]. "vllm:"
// before a letter begins a series' name, and is no word of its own.
func isWord(text string, begin, end int) bool {
	switch {
	case begin > 0 && inWord(text[begin-1]) && inWord(text[begin]):
		return false
	case end < len(text) && inWord(text[end-1]) && inWord(text[end]):
		return false
	}
	return end+1 >= len(text) || text[end] != ':' || !inWord(text[end+1])
}

func inWord(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}
