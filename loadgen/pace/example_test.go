package pace_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// asker asks once and prints the answer.
type asker struct {
	loop    pace.Loop
	conn    pace.Conn
	timeout pace.Timer
}

func (a *asker) Connected() {
	a.loop.Set(&a.timeout, a.loop.Now().Add(10*time.Second))
	a.conn.Write([]byte("how are you?\n"), nil)
}

func (a *asker) Received(p []byte, at results.Offset) { fmt.Printf("%s", p) }

func (a *asker) Closed(err error) {
	fmt.Println(err)
	a.loop.Quit()
}

func Example() {
	loop, err := pace.New(results.NewOrigin(time.Now()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loop.Close()
	a := &asker{loop: loop}
	a.timeout.F = func() {
		fmt.Println("no answer")
		loop.Quit()
	}
	a.conn = loop.Adopt(func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			io.ReadFull(theirs, make([]byte, len("how are you?\n")))
			io.WriteString(theirs, "fine\n")
			theirs.Close()
		}()
		return ours, nil
	}, a)
	loop.Run()
	// Output:
	// fine
	// EOF
}
