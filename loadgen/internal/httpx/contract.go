package httpx

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// A Request is one HTTP request but for the instance it goes to. It is not
// changed once made; it is the loadgen.Prepared of all endpoints over HTTP.
type Request struct {
	Method string
	// Path is put after the base URL's own path; it begins with a slash.
	Path string
	// Fields are header fields besides Host, Content-Length, Connection and
	// Accept-Encoding, which are the client's.
	Fields []Field
	Body   []byte
	// Close ends the connection after the answer. HTTP/2, where others may be using
	// it, passes over it.
	Close bool
	// Stream says that the answer's chunks are to be timed. It is never asked for
	// compressed.
	Stream bool
	// Tag is the endpoint's own, for the Reader of the answer.
	Tag any
}

// A Field is one line of a header.
type Field struct{ Name, Value string }

// String is the request's line, without what may be secret in it.
func (r *Request) String() string {
	path, _, _ := strings.Cut(r.Path, "?")
	return r.Method + " " + path
}

// Weight is the body's size, or 0 where that is the image of the request it was made
// of.
func (r *Request) Weight(of *loadgen.Request) int64 {
	if len(r.Body) > 0 && len(of.Image) > 0 && &r.Body[0] == &of.Image[0] {
		return 0
	}
	return int64(cap(r.Body))
}

// Check says what in the request cannot be sent. Who makes a Request calls it
// once; sending does not.
func (r *Request) Check() error {
	_, err := url.PathUnescape(r.Path)
	if err != nil || !isToken([]byte(r.Method)) || !strings.HasPrefix(r.Path, "/") || strings.ContainsFunc(r.Path, notInPath) {
		return fmt.Errorf("the request line %q %q cannot be sent", r.Method, r.Path)
	}
	for _, f := range r.Fields {
		switch name := []byte(f.Name); {
		case !isToken(name) || strings.ContainsAny(f.Value, "\r\n\x00"):
			return fmt.Errorf("the header field %q cannot be sent", f.Name) // its value may be a secret
		case same(name, "Host"), same(name, "Content-Length"), same(name, "Connection"), same(name, "Accept-Encoding"), same(name, "Transfer-Encoding"):
			return fmt.Errorf("the header field %s is the client's own", f.Name)
		}
	}
	return nil
}

func notInPath(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }

// A Reader reads the answers of a protocol, one after another, as they come in.
// It is used on the loop; there is one for each exchange on its way.
type Reader interface {
	// Begin readies it for the 2xx answer to r, whose header is in. What it finds
	// goes into x, with x.Content for each chunk of content, and Outcome where that
	// is not OK. Both r and h are used no longer than the call of Begin, x until End
	// or complete.
	Begin(r *Request, h Header, x *loadgen.Exchange)
	// Body takes the next bytes of the body, valid during the call, and when they
	// came in. It reports whether the answer is complete, whatever may follow: what
	// does is read only where the connection is to be kept, and is not in Done.
	Body(p []byte, at results.Offset) (complete bool)
	// End tells that the body is whole. It is not called after complete.
	End(at results.Offset)
}

// A Header is the header of an answer.
type Header interface {
	// Field gives the value of the first field of the name, in whatever case, without
	// the white space around it, and nil if there is none. It is valid during Begin.
	Field(name string) []byte
}

// A Refusal says whether an answer with status 503 and this body means that the
// server sheds load.
type Refusal func(body []byte) bool
