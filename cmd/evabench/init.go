package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/listening"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/propose"
)

// initOptions say what init looks at, and what it takes without asking.
type initOptions struct {
	gpuOptions
	out     string
	yes     bool
	force   bool
	probe   bool
	root    string
	servers []string
	goal    string
	name    string
	// questions is who is asked; nil until somebody was.
	questions *questions
}

func newInit(s streams) *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init",
		Short: "Look at this machine and write a first scenario for it",
		Long: `Init looks at the GPUs of this machine, or of a simulated server, and at inference
servers that run here, and proposes a scenario: GPUs, layouts that make sense on
them, services, load and conditions. It asks for what only you know, writes the
scenario with the reasons as comments, checks it, and tells what its sweep takes.
It changes nothing else.

Servers that run already are found by their processes' command lines. No port is
asked unless you say so: --probe asks the usual ones of this machine, --server the
address that it names. If servers run, they are to be measured as they are, on the
layout that is there: stop them first to get layouts.`,
		Example: `  evabench init
  evabench init --yes --sim pro6000x1 --out first.yaml
  evabench init --server http://127.0.0.1:8000 --server http://127.0.0.1:8080`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), s) },
	}
	o.gpuOptions.flags(c, "propose these `GPUS` alone, indices (default those of one kind that nobody uses)")
	f := c.Flags()
	f.StringVar(&o.out, "out", "evabench.yaml", "write the scenario to `FILE`; - prints it")
	f.BoolVarP(&o.yes, "yes", "y", false, "take the defaults and ask nothing")
	f.BoolVar(&o.force, "force", false, "write over a file that is there")
	f.BoolVar(&o.probe, "probe", false, "ask what listens at this machine's usual ports, 8000 and such, and at those of servers that were found")
	f.StringArrayVar(&o.servers, "server", nil, "ask the server at `URL`, which runs already; give it again for each. URL,URL names TorchServe's management page too, which is else looked for at the next port")
	f.StringVar(&o.goal, "goal", "", "what the sweep is to tell: `GOAL` table (the same loads for each configuration) or capacity")
	f.StringVar(&o.name, "name", "", "name the scenario `NAME` (default after the machine)")
	f.StringVar(&o.root, "root", "", "read /proc below `DIR`, such as where a container has its host's")
	return c
}

// run looks, asks, writes and checks.
func (o *initOptions) run(ctx context.Context, s streams) error {
	if err := o.check(); err != nil {
		return &usageError{err}
	}
	if o.sim != "" && (len(o.servers) > 0 || o.probe) {
		return &usageError{errors.New("--server and --probe are for servers of this machine or others, not for --sim")}
	}
	for _, text := range o.servers { // before anything is looked at
		url, management, _ := strings.Cut(text, ",")
		if err := propose.CheckURLs(url, management); err != nil {
			return &usageError{fmt.Errorf("--server: %w", err)}
		}
	}
	if f, ok := s.in.(*os.File); !o.yes && (!ok || !isTerminal(f)) {
		return &usageError{errors.New("there is no terminal to ask at; --yes takes the defaults")}
	}
	facts, err := o.look(ctx, s)
	if err != nil {
		return err
	}
	answers, err := propose.Defaults(facts)
	if errors.Is(err, propose.ErrNothing) && !o.yes {
		facts, answers, err = o.askSimulated(ctx, s, facts)
	}
	if err != nil {
		return o.nothing(facts, err)
	}
	if err := o.said(&answers); err != nil {
		return err
	}
	if !o.yes {
		if o.questions == nil {
			o.questions = newQuestions(ctx, s.in, s.err)
		}
		if err := o.questions.all(facts, &answers); err != nil {
			return err
		}
	}
	proposal, err := propose.Make(facts, answers)
	if err != nil {
		return &usageError{err}
	}
	return o.write(ctx, proposal, s)
}

// look collects the facts. No GPU here is no fault: there may be servers.
func (o *initOptions) look(ctx context.Context, s streams) (f propose.Facts, err error) {
	f.Simulated, f.Name = o.sim, o.sim
	if o.sim == "" {
		if f.Name, err = os.Hostname(); err != nil {
			f.Name = "" // it names the scenario only
		}
	}
	g, err := o.open()
	if err == nil {
		defer func() { err = joined(err, g.close()) }()
		f.GPUs, err = g.inspect(ctx, nil)
	}
	switch {
	case noDriver(err):
		fmt.Fprintf(s.err, "evabench: %v\n", err)
		err = nil
	case err != nil:
		return f, err
	}
	_, missing := exec.LookPath(mps.Name)
	f.MPS = o.sim != "" || missing == nil
	for _, program := range []string{"vllm", "torchserve", "docker"} {
		if _, err := exec.LookPath(program); err == nil {
			f.Programs = append(f.Programs, program)
		}
	}
	if o.sim != "" {
		return f, nil
	}
	f.Servers, err = o.running(ctx, s)
	return f, err
}

// usualPorts are those at which --probe asks what listens there: of vLLM, its
// copies, TorchServe, llama-server, SGLang.
var usualPorts = []int{8000, 8001, 8002, 8003, 8004, 8005, 8006, 8007, 8008, 8009, 8080, 8085, 8888, 30000}

// running finds the servers that run already.
func (o *initOptions) running(ctx context.Context, s streams) ([]propose.Server, error) {
	var found []propose.Server
	for _, text := range o.servers {
		url, management, _ := strings.Cut(text, ",")
		one, err := propose.Ask(ctx, url, management)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("--server: %w", err)
		}
		found = append(found, one)
	}
	if len(o.servers) > 0 {
		return found, nil // those are meant
	}
	sockets, err := listening.Find(o.root)
	if err != nil {
		fmt.Fprintf(s.err, "evabench: servers that run here are not known: %v\n", err)
		return nil, nil
	}
	found = propose.FromProcesses(sockets)
	if o.probe {
		var at []netip.AddrPort
		for _, l := range sockets {
			if slices.Contains(usualPorts, l.Port()) {
				at = append(at, l.Local())
			}
		}
		if found, err = propose.Probe(ctx, found, at); err != nil {
			return nil, context.Cause(ctx)
		}
	}
	return found, nil
}

// said puts the flags over the defaults.
func (o *initOptions) said(a *propose.Answers) error {
	if o.goal != "" {
		a.Goal = o.goal
	}
	if o.name != "" {
		a.Name = o.name
	}
	if len(o.gpus) == 0 {
		return nil
	}
	a.GPUs = nil
	for _, name := range o.gpus {
		var i int
		if _, err := fmt.Sscanf(name, "%d", &i); err != nil {
			return &usageError{fmt.Errorf("--gpus %q is no index; \"evabench gpu inspect\" lists them", name)}
		}
		a.GPUs = append(a.GPUs, i)
	}
	return nil
}

// nothing tells what to do where there is nothing to measure.
func (o *initOptions) nothing(f propose.Facts, err error) error {
	var hints []string
	for _, s := range f.Servers {
		hints = append(hints, "\n  found "+s.String()+"; ask it with: evabench init --probe")
	}
	return fmt.Errorf("%w; name a server that runs, or take a simulated one:\n  evabench init --server http://HOST:PORT\n  evabench init --sim pro6000x1%s", err, strings.Join(hints, ""))
}

// write checks the proposal as "scenario check" does, writes it, and tells what its
// sweep takes. A file that is there is left.
func (o *initOptions) write(ctx context.Context, p propose.Proposal, s streams) (err error) {
	name := o.out
	if name == "-" {
		name = p.Answers.Name + ".yaml"
	}
	text, err := p.Write(quoted(name))
	if err != nil {
		return err
	}
	b, err := openData(ctx, name, text, openOptions{text: true}, s)
	if err != nil {
		return fmt.Errorf("the proposal is at fault, which is ours: %w", err)
	}
	defer func() { err = joined(err, b.close(ctx)) }()
	if o.out == "-" {
		if _, err := s.out.Write(text); err != nil {
			return err
		}
		return b.printQuote(s.err, name)
	}
	if _, err := os.Lstat(o.out); err == nil && !o.force {
		return &usageError{fmt.Errorf("%s is there already, and was not changed; --force writes over it, --out names another file", o.out)}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := renameio.WriteFile(o.out, text, 0o644, renameio.WithTempDir(filepath.Dir(o.out))); err != nil {
		return fmt.Errorf("write the scenario: %w", err)
	}
	fmt.Fprintf(s.out, "%swrote %s: %s\n", markOf(p.Facts.Simulated), o.out, b.extent())
	return b.printQuote(s.out, quoted(o.out))
}
