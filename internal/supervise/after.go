package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// A Done is what became of a command of [Order.After].
type Done struct {
	// Output is its standard output, at most 64 KiB.
	Output string `json:"output,omitempty"`
	// Fault tells why it failed, with the end of what it wrote to its standard
	// error; empty if it did not.
	Fault string `json:"fault,omitempty"`
}

// Limits of a command that runs after the program.
const (
	afterWithin = 30 * time.Second
	maxOutput   = 64 << 10
	maxFault    = 500
)

// after runs the commands that follow the program, each whatever became of the
// one before. By now we have no child, so nobody else reaps theirs.
func (o Order) after() (all []Done) {
	for _, argv := range o.After {
		all = append(all, o.runAfter(argv))
	}
	return all
}

func (o Order) runAfter(argv []string) Done {
	// Not the caller's context: what tidies up runs also when it has ended.
	ctx, cancel := context.WithTimeout(context.Background(), afterWithin)
	defer cancel()
	var out, said bytes.Buffer
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env, c.Dir, c.Stdout, c.Stderr, c.WaitDelay = o.Env, o.Dir, &out, &said, afterWithin
	err := c.Run()
	if ctx.Err() != nil {
		err = errors.Join(fmt.Errorf("it took longer than %s", afterWithin), err)
	}
	d := Done{Output: out.String()[:min(out.Len(), maxOutput)]}
	if err != nil {
		words := strings.TrimSpace(said.String())
		d.Fault = strings.TrimSuffix(fmt.Sprintf("%s: %v: %s", strings.Join(argv[:min(len(argv), 2)], " "), err, words[:min(len(words), maxFault)]), ": ")
	}
	return d
}
