// Package nvidia is the partition backend for NVIDIA GPUs: MIG through NVML, one MPS
// control daemon per device, and time slices, each change read back.
package nvidia

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// Config is the arguments of the backend.
type Config struct {
	// MPSDir is the folder for the pipes and logs of MPS daemons, one folder per
	// device within. Pipes are sockets: the path must be short.
	MPSDir string `yaml:"mps_dir" json:"mps_dir"`
	// MPSUser is the user whose clients the MPS daemons serve, by name or number:
	// that of the workers, who run without MPS if it is another's. Empty means the
	// user of this process; for another this process must be root.
	MPSUser string `yaml:"mps_user,omitempty" json:"mps_user,omitempty"`
}

// MPSUID gives the user whose clients MPS daemons serve.
func (c Config) MPSUID() (int, error) {
	if c.MPSUser == "" {
		return os.Geteuid(), nil
	}
	number := c.MPSUser
	if u, err := user.Lookup(c.MPSUser); err == nil {
		number = u.Uid
	}
	// The largest number is no user: it says that nothing is to be changed (chown(2)).
	uid, err := strconv.ParseUint(number, 10, 32)
	if err != nil || uid == math.MaxUint32 {
		return 0, fmt.Errorf("MPS user %q is neither a user of this host nor the number of one", c.MPSUser)
	}
	return int(uid), nil
}

// IsWork reports whether a process on a device is somebody's work there, on which
// MPS or time slices have a hold: one that only draws is not, and neither is the MPS
// server, which is the daemon's helper.
func IsWork(p nvml.Process) bool { return p.Kind != nvml.GraphicsProcess && !isServer(p.Name) }

// Kind is the backend as scenarios name it. Building it asks nothing of the machine:
// the driver's library is opened at the first use.
var Kind = kind.New("nvidia", "MIG, MPS and time slices on NVIDIA GPUs", Config{MPSDir: "/run/evabench/mps"}, build)

// Options are the parts that a backend works on, which the caller keeps.
type Options struct {
	API nvml.API
	// MPS runs control daemons; nil where there are none, and then MPS is refused.
	MPS MPS
	// TimeSlices sets time slices; nil where nothing can, and then they are
	// unknown and setting one is refused.
	TimeSlices TimeSlices
	// Host tells who holds and who manages GPUs; nil where nobody else is.
	Host   Host
	Limits Limits
	// EndsWith is what a daemon that we start in the place of one of that unit ends with;
	// nil is [mps.EndsWith].
	EndsWith func(unit string) string
}

// New makes a backend. It is [partition.Traced] and a [partition.Counter] too.
func New(o Options) partition.Backend {
	if o.EndsWith == nil {
		o.EndsWith = mps.EndsWith
	}
	return &backend{
		driver: &driver{api: o.API, limits: o.Limits.orDefaults(), stuck: map[string]int{}},
		mps:    o.MPS, slices: o.TimeSlices, host: o.Host,
		endsWith: o.EndsWith,
		trace:    func(partition.Event) {},
	}
}

var (
	_ partition.Backend = (*backend)(nil)
	_ partition.Traced  = (*backend)(nil)
	_ partition.Counter = (*backend)(nil)
)

type backend struct {
	driver *driver
	mps    MPS
	slices TimeSlices
	host   Host
	trace  func(partition.Event)
	// endsWith is [Options.EndsWith].
	endsWith func(unit string) string
	// ours gives the daemons of ours below a folder, for a user, and mpsDir and mpsUID
	// are those of mps; nil where there are no others.
	ours   func(dir string, uid int) MPS
	mpsDir string
	mpsUID int
	// unread are the GPUs that could not be read when they were last listed.
	unread []nvml.Device
}

// Trace sets who is told of every change that is tried.
func (b *backend) Trace(f func(partition.Event)) { b.trace = f }

// maxMPSDir is the longest path of a folder for MPS daemons: the sockets in it have paths
// of some 40 bytes more, and 107 are possible (unix(7)).
const maxMPSDir = 64

// build makes the backend of this machine.
func build(c Config) (partition.Backend, error) {
	if !filepath.IsAbs(c.MPSDir) || len(c.MPSDir) > maxMPSDir {
		return nil, fmt.Errorf("mps_dir %q is no absolute path of at most %d bytes", c.MPSDir, maxMPSDir)
	}
	uid, err := c.MPSUID()
	if err != nil {
		return nil, fmt.Errorf("mps_user: %w", err)
	}
	return &lazy{open: sync.OnceValues(func() (*backend, error) {
		api, err := nvml.Open()
		if err != nil {
			return nil, fmt.Errorf("backend nvidia: %w", err)
		}
		b := New(Options{API: api, TimeSlices: SMI{}, Host: Proc{}}).(*backend)
		b.ours = func(dir string, uid int) MPS {
			return mps.New(mps.Control{}, mps.Options{Dir: dir, UID: uid, Resolve: b.resolve})
		}
		return b.daemonsIn(c.MPSDir, uid), nil
	})}, nil
}

// A lazy is a backend whose library is opened at its first use, so that a scenario for
// a server can be checked on a laptop.
type lazy struct {
	open  func() (*backend, error)
	trace func(partition.Event)
}

// Inspect reads the present state of the named GPUs.
func (l *lazy) Inspect(ctx context.Context, gpus []string) (partition.State, error) {
	b, err := l.open()
	if err != nil {
		return partition.State{}, err
	}
	return b.Inspect(ctx, gpus)
}

// Apply carries out a plan.
func (l *lazy) Apply(ctx context.Context, p partition.Plan) ([]device.Device, error) {
	b, err := l.opened()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", partition.ErrNothingChanged, err)
	}
	return b.Apply(ctx, p)
}

// Restore brings the GPUs back to a state.
func (l *lazy) Restore(ctx context.Context, s partition.State) error {
	b, err := l.opened()
	if err != nil {
		return err
	}
	return b.Restore(ctx, s)
}

// Count tells who is on a device.
func (l *lazy) Count(ctx context.Context, d device.Device) (partition.Clients, error) {
	b, err := l.open()
	if err != nil {
		return partition.Clients{}, err
	}
	return b.Count(ctx, d)
}

// Trace sets who is told of every change that is tried.
func (l *lazy) Trace(f func(partition.Event)) { l.trace = f }

// NVML gives the library that the backend works on, opened if need be, for whoever
// reads the same GPUs: a process opens it once.
func (l *lazy) NVML() (nvml.API, error) {
	b, err := l.open()
	if err != nil {
		return nil, err
	}
	return b.driver.api, nil
}

func (l *lazy) opened() (*backend, error) {
	b, err := l.open()
	if err == nil && l.trace != nil {
		b.Trace(l.trace)
	}
	return b, err
}
