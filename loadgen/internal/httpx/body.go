package httpx

import (
	"io"
)

// ReadAll reads a body to its end and calls first, if it has a byte, when that
// is in.
func ReadAll(body io.Reader, first func()) ([]byte, error) {
	return io.ReadAll(&noting{body, first})
}

// A noting reader calls first once, when the first byte is in.
type noting struct {
	r     io.Reader
	first func()
}

func (n *noting) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if k > 0 && n.first != nil {
		n.first()
		n.first = nil
	}
	return k, err
}
