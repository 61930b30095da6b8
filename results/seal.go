package results

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
)

// errChanged is the fault of a file that is not as it was written.
var errChanged = errors.New("it is not as it was written: its content does not give the checksum that was taken of it")

// sealField begins a document's last field, the SHA-256 of all that stands before it.
const sealField = ",\n  \"sha256\": \""

// seal adds its own hash to a document of encoding/json, indented by two spaces, of one
// field or more. A wrong digit in a figure is valid JSON: nothing else would tell it.
func seal(text []byte) []byte {
	body := bytes.TrimSuffix(text, []byte("\n}"))
	return sealed(body)
}

func sealed(body []byte) []byte {
	return fmt.Appendf(bytes.Clone(body), "%s%x\"\n}\n", sealField, sha256.Sum256(body))
}

// unseal gives a document without its hash, and [errChanged] if that is of another. One
// without a hash is given as it is: runs of before had none.
func unseal(text []byte) ([]byte, error) {
	at := bytes.LastIndex(text, []byte(sealField))
	if at < 0 {
		return text, nil
	}
	body := text[:at]
	plain := append(bytes.Clone(body), "\n}\n"...)
	if !bytes.Equal(text, sealed(body)) {
		return plain, errChanged
	}
	return plain, nil
}
