package jsonscan

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzAppendQuoted(f *testing.F) {
	for _, text := range []string{"", "a", "<a & b>", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "dög 😀", "\u2028\u2029\u2027", "\xff\xed\xa0\x80", "�"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b bytes.Buffer
		w := json.NewEncoder(&b)
		w.SetEscapeHTML(false)
		if err := w.Encode(text); err != nil {
			t.Fatal(err)
		}
		want := "x" + string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
		if got := AppendQuoted([]byte("x"), text); string(got) != want {
			t.Fatalf("%q is quoted %s, want %s", text, got, want)
		}
	})
}
