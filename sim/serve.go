package sim

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim/model"
	"github.com/evabench/evabench/sim/parameters"
)

// TokenEnv is the environment variable in which a parent hands its child the
// control interface's token.
const TokenEnv = "EVABENCH_SIM_TOKEN"

// processName is what the GPUs' list of processes shows.
const processName = "evabench-sim"

// Options are what [Serve] is told.
type Options struct {
	// Dir keeps the server's state: cards.json, MPS daemons ([OpenGPUs]). It is
	// made if it is missing; cards that are there are used as they are. MPS daemons
	// of it end with the server, but for KeepDaemons.
	Dir string
	// Control is the control interface's address, on loopback. Empty means
	// any port.
	Control string
	// DCGM is the address of the dcgm-exporter page, on loopback. Empty means
	// any port.
	DCGM string
	// DCGMInterval is the server time over which that page's values are
	// averages. 0 means 30 s, as of dcgm-exporter.
	DCGMInterval time.Duration
	// Scale is how many seconds of server time pass in one of the clock
	// ([CheckScale]); 0 means 1.
	Scale float64
	// Token is what callers of the control interface must show. Empty makes a
	// random one and writes it to Dir/token, readable by the owner alone.
	Token string
	// Stdout gets one JSON line (see [Ready]) when the server answers.
	Stdout io.Writer
	// Parent, if not nil, is read until it ends; then the server ends. The
	// reading itself may outlive Serve until Parent ends.
	Parent io.Reader
	// KeepDaemons leaves MPS daemons as they are when the server ends.
	KeepDaemons bool
	// Instances starts one Vision instance with every model on the first GPU
	// and one Agent instance on the last, as they are.
	Instances bool
}

// Ready is the line that a simulated server writes when it answers.
type Ready struct {
	Server    string             `json:"server"`
	About     string             `json:"about"`
	Scale     float64            `json:"scale"`   // seconds of server time in one of the clock
	Control   string             `json:"control"` // base URL
	DCGM      string             `json:"dcgm"`    // URL of the dcgm-exporter page
	Cards     string             `json:"cards"`   // path of the GPUs' file
	PID       int                `json:"pid"`
	Instances []results.Instance `json:"instances,omitempty"`
}

// A server is the state of the process.
type server struct {
	name      string
	dir       string
	driver    *driver
	cardsFile *nvml.Fake
	dcgm      *dcgmExporter
	// parameters are read only; host belongs to the driver.
	parameters parameters.Set
	host       *model.Host

	mu        sync.Mutex // of what follows; held over a whole control call
	cards     []string   // UUIDs of the GPUs, by index
	gpus      map[string]*gpu
	instances map[string]*instance
	clocks    clocks
	corpses   map[string]*corpse // those that were made to end, until they are stopped
}

// Serve is a simulated server. It returns nil when ctx or the parent has
// ended, after everything that it started has.
func Serve(ctx context.Context, name string, o Options) (err error) {
	info, err := findServer(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &server{name: name, parameters: parameters.Default(), gpus: make(map[string]*gpu),
		instances: make(map[string]*instance), corpses: make(map[string]*corpse)}
	if err := s.openDir(&o, info.Cards); err != nil {
		return err
	}
	if o.Parent != nil {
		go func() {
			io.Copy(io.Discard, o.Parent) // how it ends does not matter
			cancel()
		}()
	}
	// The driver goes on until everything else has ended.
	var drive sync.WaitGroup
	driving, stop := context.WithCancel(context.WithoutCancel(ctx))
	if s.driver, err = startDriver(driving, o.Scale, &drive); err != nil {
		stop()
		return err
	}
	defer drive.Wait()
	defer stop()
	if err := s.driver.do(func(w *model.World) { s.host = model.NewHost(w, info.Cores) }); err != nil {
		return err
	}
	page, err := s.exportDCGM(o)
	if err != nil {
		return err
	}
	defer page.close()
	control, err := s.listen(o.Control, authorized(o.Token, s.control()))
	if err != nil {
		return err
	}
	defer func() {
		control.close()
		err = errors.Join(err, s.stopAll())
		if !o.KeepDaemons {
			err = errors.Join(err, EndDaemons(s.dir))
		}
	}()
	ready := Ready{Server: name, About: info.About, Scale: s.driver.scale, Control: control.url, DCGM: s.dcgm.url, Cards: cardsPath(s.dir), PID: os.Getpid()}
	if err := s.begin(ready, o); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// begin starts the instances that are asked for, and tells that the server
// answers.
func (s *server) begin(ready Ready, o Options) (err error) {
	if o.Instances {
		if ready.Instances, err = s.launchDefaults(); err != nil {
			return err
		}
	}
	if o.Stdout == nil {
		return nil
	}
	if err := json.NewEncoder(o.Stdout).Encode(ready); err != nil {
		return fmt.Errorf("tell that the server is ready: %w", err)
	}
	return nil
}

// openDir makes the state folder, opens the cards of it, and sees to a token.
func (s *server) openDir(o *Options, cards []string) (err error) {
	if s.dir, err = filepath.Abs(o.Dir); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	if s.cardsFile, err = openCards(s.name, s.dir, cards); err != nil {
		return err
	}
	devices, err := s.cardsFile.Devices()
	if err != nil {
		return fmt.Errorf("read cards: %w", err)
	}
	for _, d := range devices {
		s.cards = append(s.cards, d.UUID)
	}
	if err := s.startClocks(); err != nil {
		return err
	}
	if o.Token == "" {
		o.Token = rand.Text()
		if err := os.WriteFile(filepath.Join(s.dir, "token"), []byte(o.Token), 0o600); err != nil {
			return fmt.Errorf("write token: %w", err)
		}
	}
	return nil
}

// A cudaDevice is what a process can run on: a whole GPU or a MIG instance.
type cudaDevice struct {
	card nvml.Device
	sms  int
	// memoryShare is its share of the card's memory bandwidth, 0 to 1.
	memoryShare float64
}

// find gives the device of a UUID. Simplification: a compute instance has the
// whole memory bandwidth of its GPU instance; two in one each have it, and do
// not contend for it as on a GPU.
func (s *server) find(uuid string) (cudaDevice, error) {
	devices, err := s.cardsFile.Devices()
	if err != nil {
		return cudaDevice{}, fmt.Errorf("read cards: %w", err)
	}
	for _, d := range devices {
		if d.UUID == uuid {
			if d.MIG.Current {
				return cudaDevice{}, fmt.Errorf("device %s has MIG on: name one of its instances", uuid)
			}
			return cudaDevice{d, d.SMs, 1}, nil
		}
		instances, err := s.cardsFile.Instances(d.UUID)
		if errors.Is(err, nvml.ErrNotSupported) {
			continue
		}
		if err != nil {
			return cudaDevice{}, fmt.Errorf("read instances of %s: %w", d.UUID, err)
		}
		for _, gi := range instances {
			for _, ci := range gi.Compute {
				if ci.UUID != uuid {
					continue
				}
				profiles, err := s.cardsFile.Profiles(d.UUID)
				if err != nil {
					return cudaDevice{}, fmt.Errorf("read profiles of %s: %w", d.UUID, err)
				}
				return cudaDevice{d, ci.SMs, nvml.MemoryShare(profiles, gi.Placement)}, nil
			}
		}
	}
	return cudaDevice{}, fmt.Errorf("no CUDA device %s", uuid)
}

// occupy gives the model's device, made when its first instance comes.
func (s *server) occupy(uuid string, d cudaDevice) (*gpu, error) {
	if g, ok := s.gpus[uuid]; ok {
		return g, nil
	}
	g := &gpu{uuid: uuid, parent: d.card.UUID, card: d.card.Name}
	cfg, err := s.parameters.Device(d.card.Name, d.sms, d.memoryShare)
	if err != nil {
		return nil, err
	}
	share, _ := s.clocks.share(g.parent)
	// The driver outlives all control calls.
	if err := s.driver.do(func(w *model.World) {
		g.device = w.AddDevice(cfg)
		g.device.SetClock(w.Now(), share)
		s.dcgm.watch(uuid, g.device, cfg)
	}); err != nil {
		panic(fmt.Sprintf("sim: add device: %v", err))
	}
	s.gpus[uuid] = g
	return g, nil
}

// open starts the listeners of an instance and gives their URLs.
func (s *server) open(i *instance, handlers ...http.Handler) ([]string, error) {
	var urls []string
	for n, h := range handlers {
		addr := ""
		if len(i.addresses) > n {
			addr = i.addresses[n]
		}
		l, err := s.listen(addr, h)
		if err != nil {
			return nil, err
		}
		i.listeners = append(i.listeners, l)
		urls = append(urls, l.url)
	}
	return urls, nil
}

// release ends what there is of an instance.
func (s *server) release(i *instance) error {
	close(i.gone)
	if i.leak != nil {
		i.leak.over.Wait()
	}
	for _, l := range i.listeners {
		l.close()
	}
	d := i.device
	d.instances--
	err := s.driver.do(func(w *model.World) {
		if i.end != nil {
			i.end()
		}
		if d.instances == 0 {
			s.dcgm.unwatch(d.uuid, w.Now())
			w.RemoveDevice(d.device)
		}
	})
	if d.instances == 0 {
		delete(s.gpus, d.uuid)
	}
	err = errors.Join(err, s.raiseClock(i))
	// A process that never got memory is not in the file.
	if e := s.cardsFile.RemoveProcess(d.uuid, i.process.pid); !errors.Is(e, nvml.ErrNotFound) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, i.disconnect())
}

func (s *server) stop(name string) error {
	if c, ok := s.corpses[name]; ok {
		delete(s.corpses, name)
		c.release()
		return nil
	}
	i, ok := s.instances[name]
	if !ok {
		return fmt.Errorf("stop %s: no such instance", name)
	}
	delete(s.instances, name)
	if err := s.release(i); err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return nil
}

func (s *server) stopAll() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.instances {
		err = errors.Join(err, s.stop(name))
	}
	for name := range s.corpses {
		err = errors.Join(err, s.stop(name))
	}
	return err
}

func (s *server) launchDefaults() (list []results.Instance, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, last := s.cards[0], s.cards[len(s.cards)-1]
	vision := startRequest{Service: "vision", Role: results.RoleVision, Name: "vision-0", Device: first}
	for _, name := range slices.Sorted(maps.Keys(s.parameters.Detectors)) {
		vision.Models = append(vision.Models, services.Model{Name: name, Workers: 1})
	}
	agent := startRequest{Service: "agent", Role: results.RoleAgent, Name: "agent-0", Device: last,
		Models: []services.Model{{Name: "qwen3-vl-8b", Workers: 1}}}
	if first == last {
		agent.Params = map[string]string{"gpu_memory_utilization": "0.7"} // leaves room for the detectors
	}
	for _, r := range []startRequest{vision, agent} {
		i, err := s.launch(r)
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, nil
}
