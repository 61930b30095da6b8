package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backends"
	"github.com/evabench/evabench/partition/backends/nvidia"
	"github.com/evabench/evabench/sim"
)

func newGPU(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "gpu",
		Short: "Look at the GPUs of this server, share them out, and put them back",
		Long: `Gpu shows how the GPUs of this server are shared out, plans and applies a layout,
and puts back what was before. Inspect, profiles and plan change nothing.

A layout says which MIG instances each GPU has and how processes share them:
  off                  MIG off          4x1g.24gb            four instances
  off(mps)             through MPS      2g.10gb/2x1c(mps)    cut in two, each with MPS
  all-1g.24gb          as many as fit   gpu0: off; gpu1: ..  each GPU its own

Exit status: 0 done. 2 the request cannot be met, and nothing was changed: flags, a
layout that does not fit, what --allow does not say, a GPU that is not free. 1 it
failed, or another evabench stands in the way: it holds the lock, or its layout is to
be put back first. 130 interrupted, and put back.`,
		Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newGPUInspect(s), newGPUProfiles(s), newGPUPlan(s), newGPUApply(s), newGPURestore(s), newGPUExport(s))
	for _, sub := range c.Commands() {
		do := sub.RunE
		sub.RunE = func(c *cobra.Command, args []string) error { return marked(c, do(c, args)) }
	}
	return c
}

// A markedError is what went wrong with simulated GPUs, and says so in each line.
type markedError struct {
	error
	mark string
}

func (e *markedError) Error() string {
	return e.mark + strings.ReplaceAll(e.error.Error(), "\n", "\n"+e.mark)
}
func (e *markedError) Unwrap() error { return e.error }

// marked says of a fault that the GPUs are simulated, if a command's are.
func marked(c *cobra.Command, err error) error {
	server, fault := c.Flags().GetString("sim")
	if err == nil || fault != nil || !slices.Contains(serverNames(), server) {
		return err
	}
	return &markedError{err, markOf(server)}
}

// markOf begins whatever is said of a simulated server's GPUs.
func markOf(server string) string {
	if server == "" {
		return ""
	}
	return "SIMULATED server " + server + ": "
}

// gpuOptions say which GPUs are meant.
type gpuOptions struct {
	gpus     []string
	sim      string
	simDir   string
	stateDir string
	hostLock string // of real GPUs
	mpsUser  string // see [nvidia.Config]
	mpsDir   string // likewise; empty for the default
}

// defaultStateDir keeps the host lock and the journal.
const defaultStateDir = "/var/lib/evabench"

func (o *gpuOptions) flags(c *cobra.Command, gpus string) {
	c.Flags().StringSliceVar(&o.gpus, "gpus", nil, gpus)
	o.simFlags(c)
}

func (o *gpuOptions) simFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.sim, "sim", "", "take the GPUs of the simulated `SERVER`: "+strings.Join(serverNames(), ", "))
	f.StringVar(&o.simDir, "sim-dir", "", "keep the simulated GPUs in `DIR`, so that the next command finds them as this one left them")
}

func (o *gpuOptions) stateFlag(c *cobra.Command, does string) {
	o.hostLock = hostLockFile
	c.Flags().StringVar(&o.stateDir, "state-dir", defaultStateDir, does+" in `DIR`; with --sim they are in its --sim-dir")
}

// What --state-dir is for.
const (
	keepsState = "keep a lock and the journal"
	looksState = "look for the journal of an earlier change"
)

// check refuses flags that say nothing.
func (o *gpuOptions) check() error {
	switch {
	case o.sim == "" && o.simDir != "":
		return errors.New("--sim-dir says nothing without --sim SERVER")
	case o.sim != "" && !slices.Contains(serverNames(), o.sim):
		return fmt.Errorf("unknown simulated server %q; %s", o.sim, kind.Known(o.sim, serverNames()))
	case o.sim != "" && o.mpsUser != "":
		return errors.New("--mps-user is for real GPUs; simulated MPS daemons serve whoever starts them")
	}
	for i, name := range o.gpus {
		if slices.Contains(o.gpus[:i], name) {
			return fmt.Errorf("--gpus names GPU %s twice", name)
		}
	}
	return nil
}

// keeping is where the locks and the journal are.
func (o *gpuOptions) keeping() keeping {
	if o.sim != "" {
		return keeping{dir: o.simDir, sim: o.sim}
	}
	return keeping{dir: o.stateDir, hostLock: o.hostLock}
}

// noDriver reports whether an error says that there is no NVIDIA driver here,
// or that this build cannot ask it.
func noDriver(err error) bool { return errors.Is(err, nvml.ErrNoDriver) }

// A gpuSet is the GPUs that a command looks at or changes.
type gpuSet struct {
	api       nvml.API
	backend   partition.Backend
	simulated string // the server's name; empty for real ones
	// assumed is what of simulated cards was never recorded, by product name.
	assumed map[string]string
	mpsUID  int // the user whose clients MPS daemons serve
	close   func() error
}

// open gives the GPUs of this server, or of a simulated one.
func (o *gpuOptions) open() (*gpuSet, error) {
	if o.sim != "" {
		return o.openSimulated()
	}
	uid, err := (nvidia.Config{MPSUser: o.mpsUser}).MPSUID()
	if err != nil {
		return nil, &usageError{fmt.Errorf("--mps-user: %w", err)}
	}
	backend, err := backends.Kinds.Build(kind.Spec{Name: nvidia.Kind.Name, Decode: func(into any) error {
		c := into.(*nvidia.Config)
		c.MPSUser, c.MPSDir = o.mpsUser, cmp.Or(o.mpsDir, c.MPSDir)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	api, err := backend.(librarian).NVML()
	if err != nil {
		return nil, err
	}
	return &gpuSet{api: api, backend: backend, mpsUID: uid, close: func() error { return nil }}, nil
}

// A librarian is a backend over real GPUs, which gives the library that it opened.
type librarian interface{ NVML() (nvml.API, error) }

// openSimulated gives the GPUs that --sim-dir keeps, else new ones that end with
// the command.
func (o *gpuOptions) openSimulated() (g *gpuSet, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	g = &gpuSet{simulated: o.sim, mpsUID: os.Geteuid(), assumed: make(map[string]string), close: func() error { return nil }}
	dir := o.simDir
	if dir == "" {
		folder, err := newScratch(scratchPath())
		if err != nil {
			return nil, err
		}
		dir, g.close = folder.dir, folder.remove
	}
	simulated, err := sim.OpenGPUs(o.sim, dir, exe)
	if err != nil {
		return nil, joined(err, g.close())
	}
	g.api, g.backend = simulated.API, simulated.Backend
	devices, err := g.api.Devices()
	if err != nil {
		return nil, joined(err, g.close())
	}
	for _, d := range devices {
		if d.Assumed != "" {
			g.assumed[d.Name] = d.Assumed
		}
	}
	return g, nil
}

// mark begins whatever is said of simulated GPUs.
func (g *gpuSet) mark() string { return markOf(g.simulated) }

// inspect reads the named GPUs, all if none is named. A name INDEX=UUID refuses a GPU that
// has another index.
func (g *gpuSet) inspect(ctx context.Context, names []string) (partition.State, error) {
	named, indices := unpaired(names)
	if len(named) == 0 {
		all, err := g.api.Devices()
		if err != nil {
			return partition.State{}, fmt.Errorf("list GPUs: %w", err)
		}
		for _, d := range all {
			named = append(named, d.UUID)
		}
		if len(named) == 0 {
			return partition.State{}, errors.New("the driver shows no GPU on this server")
		}
	}
	if err := g.twice(named); err != nil {
		return partition.State{}, err
	}
	state, err := g.backend.Inspect(ctx, named)
	switch {
	case errors.Is(err, partition.ErrUnknownGPU):
		return state, &usageError{fmt.Errorf("--gpus: %w", err)}
	case err != nil:
		return state, fmt.Errorf("inspect GPUs: %w", err)
	}
	for uuid, at := range indices {
		if !slices.ContainsFunc(state.GPUs, func(g partition.GPU) bool { return g.UUID == uuid }) {
			return state, &usageError{fmt.Errorf("--gpus: %s=%s: behind the index stands a GPU's UUID, as nvidia-smi -L tells it", at, uuid)}
		}
	}
	for _, gpu := range state.GPUs {
		if at, paired := indices[gpu.UUID]; paired && at != strconv.Itoa(gpu.Index) {
			return state, &usageError{fmt.Errorf("--gpus: %s is GPU %d now and not GPU %s: the cards were numbered anew, and a layout that names them by index would be another's; see nvidia-smi -L, and write the layout and --gpus anew",
				gpu.UUID, gpu.Index, at)}
		}
	}
	return state, nil
}

// unpaired takes names of GPUs apart: of INDEX=UUID the UUID stays, and its index is given
// beside.
func unpaired(names []string) (plain []string, indices map[string]string) {
	indices = map[string]string{}
	for _, name := range names {
		if at, uuid, paired := strings.Cut(name, "="); paired {
			name, indices[uuid] = uuid, at
		}
		plain = append(plain, name)
	}
	return plain, indices
}

// twice refuses one GPU that is named by its index and by its UUID.
func (g *gpuSet) twice(named []string) error {
	if len(named) < 2 {
		return nil
	}
	all, err := g.api.Devices()
	if err != nil {
		return fmt.Errorf("list GPUs: %w", err)
	}
	for _, d := range all {
		if d.UUID != "" && slices.Contains(named, d.UUID) && slices.Contains(named, strconv.Itoa(d.Index)) {
			return &usageError{fmt.Errorf("--gpus names gpu%d twice, as %s too", d.Index, d.UUID)}
		}
	}
	return nil
}

// joined adds what went wrong at the end to what went wrong before.
func joined(err, last error) error {
	if last == nil {
		return err
	}
	return errors.Join(err, last)
}
