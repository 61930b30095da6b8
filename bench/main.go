// Command bench measures evabench beside other load generators: each client on
// one processor, the same server on another, in turns, medians of at least three.
//
// Rates are counted by the server, processor time by the system, and lateness by
// the kernel's stamps at the server; no client is asked for them. See run.sh,
// which finds the clients.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/evabench/evabench/internal/roofline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

// options are what the command is told.
type options struct {
	evabench             string
	quick                bool
	repetitions          int
	only, skip           string
	clientCPU, serverCPU int
	write                string // file to put the tables into
	dir                  string // of scratch
}

func run(ctx context.Context, args []string, out, talk io.Writer) (err error) {
	if len(args) > 0 && args[0] == floorArg {
		return sleepOn(args[1:], out)
	}
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(talk)
	f.StringVar(&o.evabench, "evabench", "bin/evabench", "the program to measure")
	f.BoolVar(&o.quick, "quick", false, "a short look: one repetition of a few seconds each")
	f.IntVar(&o.repetitions, "repetitions", 3, "how often each is measured")
	f.StringVar(&o.only, "only", "", "only these groups, with commas: "+strings.Join(groupNames(), ", "))
	f.StringVar(&o.skip, "skip", "", "without these clients, with commas")
	f.IntVar(&o.clientCPU, "client-cpu", 0, "processor of the clients")
	f.IntVar(&o.serverCPU, "server-cpu", 1, "processor of the server")
	f.StringVar(&o.write, "write", "", "put the tables into `FILE` too, between the lines "+beginMark+" and "+endMark)
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.quick {
		o.repetitions = 1
	}
	if o.evabench, err = filepath.Abs(o.evabench); err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp("", "evabench-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	b := &bench{options: o, talk: talk}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := b.measure(ctx); err != nil {
		return err
	}
	tables := b.tables(began)
	if _, err := io.WriteString(out, tables); err != nil {
		return err
	}
	return b.put(tables)
}

// The lines between which tables stand in a file.
const (
	beginMark = "<!-- bench: begin -->"
	endMark   = "<!-- bench: end -->"
)

// put replaces the tables in the file that was asked for.
func (b *bench) put(tables string) error {
	if b.write == "" {
		return nil
	}
	text, err := os.ReadFile(b.write)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the lines %s and %s are not there", b.write, beginMark, endMark)
	}
	return os.WriteFile(b.write, []byte(before+beginMark+"\n\n"+tables+"\n"+endMark+after), 0o644)
}

// bench is the state of one run.
type bench struct {
	options
	talk    io.Writer
	clients []client
	body    string // file of an image's size
	groups  []group
}

// server starts the server that all clients ask.
func (b *bench) server(ctx context.Context, g group) (*roofline.Server, error) {
	return roofline.StartServer(ctx, []string{b.evabench, roofline.ServerCommand}, &b.serverCPU, g.server)
}

// names splits a list with commas.
func names(list string) map[string]bool {
	all := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		if name != "" {
			all[name] = true
		}
	}
	return all
}
