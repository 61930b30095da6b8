package results

import (
	"strings"
	"testing"
)

// What is nested deeper than any footer is refused before the stack is full.
func TestDeepFooter(t *testing.T) {
	for name, text := range map[string]string{ // Thrift's compact protocol: of field 2, which is gone through
		"structures":          "\x2c" + strings.Repeat("\x1c", 20_000),
		"lists":               "\x29" + strings.Repeat("\x19", 20_000),
		"lists of structures": "\x29" + strings.Repeat("\x1c\x19", 20_000),
	} {
		var meta struct {
			Version int32 `thrift:"1,required"`
		}
		if _, err := decodeThrift([]byte(text), &meta); err == nil || !strings.Contains(err.Error(), "parts") {
			t.Errorf("%s: %v, want one of too many parts", name, err)
		}
	}
}
