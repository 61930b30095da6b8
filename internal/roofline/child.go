package roofline

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"

	"github.com/evabench/evabench/internal/environ"
	"github.com/evabench/evabench/loadgen/stub"
)

// hello is the child's first line.
type hello struct {
	Addr netip.AddrPort `json:"addr"`
}

// farewell is the child's second line; so many Arrivals follow in binary.
type farewell struct {
	Stats    stub.Stats `json:"stats"`
	Arrivals int        `json:"arrivals"`
}

// Serve is the child's side: a server as the first line of in says, which tells
// its address on out, ends when in ends, and tells what it did.
func Serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the server's options: %w", err)
	}
	var o stub.Options
	if err := json.Unmarshal(first, &o); err != nil {
		return fmt.Errorf("read the server's options: %w", err)
	}
	s, err := stub.Start(o)
	if err != nil {
		return err
	}
	told := json.NewEncoder(out).Encode(hello{s.Addr()})
	_, read := io.Copy(io.Discard, lines)
	stats, err := s.Close()
	if err := errors.Join(told, read, err); err != nil {
		return err
	}
	arrivals := s.Arrivals()
	if err := json.NewEncoder(out).Encode(farewell{stats, len(arrivals)}); err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 64<<10)
	if err := binary.Write(w, binary.LittleEndian, arrivals); err != nil {
		return err
	}
	return w.Flush()
}

// A Server is a running server of another process. It is used by one goroutine
// at a time.
type Server struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	hello hello
}

// StartServer starts a process that calls [Serve], on a processor, nil for those
// of the caller, and waits until it listens. It ends when we do, because its
// input ends then, and with ctx.
func StartServer(ctx context.Context, command []string, cpu *int, o stub.Options) (*Server, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr, cmd.Env = os.Stderr, environ.Own()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := startOn(cpu, cmd); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s := &Server{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 64<<10)}
	err = json.NewEncoder(in).Encode(o)
	if err == nil {
		err = s.line(&s.hello)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the server: %w", err), s.Kill())
	}
	return s, nil
}

// startOn starts a process on a processor: it begins where the thread is that
// makes it.
func startOn(cpu *int, cmd *exec.Cmd) (err error) {
	if cpu == nil {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	was, err := allowed()
	if err != nil {
		return err
	}
	if err := pin([]int{*cpu}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pin(was)) }()
	return cmd.Start()
}

// URL is the server's base URL.
func (s *Server) URL() string { return "http://" + s.hello.Addr.String() }

func (s *Server) line(into any) error {
	text, err := s.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// Kill ends the server without asking what it did, instead of End.
func (s *Server) Kill() error {
	_ = s.cmd.Process.Kill() // it may have ended
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// End ends the server and gives what it did and, if it kept a log, the log.
func (s *Server) End() (stub.Stats, []stub.Arrival, error) {
	var f farewell
	err := s.in.Close()
	if err == nil {
		err = s.line(&f)
	}
	if err != nil {
		return stub.Stats{}, nil, errors.Join(fmt.Errorf("end the server: %w", err), s.Kill())
	}
	arrivals := make([]stub.Arrival, f.Arrivals)
	if err := binary.Read(s.out, binary.LittleEndian, arrivals); err != nil {
		return stub.Stats{}, nil, errors.Join(fmt.Errorf("read the server's log: %w", err), s.Kill())
	}
	if err := s.cmd.Wait(); err != nil {
		return stub.Stats{}, nil, fmt.Errorf("end the server: %w", err)
	}
	return f.Stats, arrivals, nil
}
