package sim

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/mps/mpsfake"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim/model"
	"github.com/evabench/evabench/sim/parameters"
)

// A startRequest asks for an instance of a service.
type startRequest struct {
	Service string            `json:"service"`
	Role    string            `json:"role"`
	Name    string            `json:"name"`
	Device  string            `json:"device"` // UUID; empty means the first GPU
	Env     map[string]string `json:"env"`
	Models  []services.Model  `json:"models"`
	Params  map[string]string `json:"params"`
	Fault   *Fault            `json:"fault,omitempty"`
}

// A gpu is a device on which instances run.
type gpu struct {
	uuid      string
	parent    string // UUID of the whole GPU
	card      string // product name
	device    *model.Device
	instances int
}

// An instance is a running TorchServe or vLLM.
type instance struct {
	name        string
	request     startRequest
	addresses   []string // of its listeners, in their order; none: any
	device      *gpu
	process     *process
	client      model.Client
	mps         *mpsfake.Connection // nil without MPS
	memoryBytes uint64              // of the device
	leak        *leak               // nil if it loses none of it
	gone        chan struct{}
	listeners   []*listener
	end         func()               // takes it out of the World
	hosted      func() time.Duration // that the host's cores worked for it; of the World
	served      *served
	info        results.Instance
}

// launch starts an instance. s.mu is held.
func (s *server) launch(r startRequest) (results.Instance, error) { return s.launchAt(r, nil) }

// launchAt starts an instance, at the addresses that are held for it if there
// are any. s.mu is held.
func (s *server) launchAt(r startRequest, held []*heldPort) (info results.Instance, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("start %s: %w", r.Name, err)
		}
	}()
	if r.Name == "" || len(r.Models) == 0 {
		return info, errors.New("a name and at least one model are needed")
	}
	if _, exists := s.instances[r.Name]; exists {
		return info, errors.New("an instance of this name is running")
	}
	if _, exists := s.corpses[r.Name]; exists {
		return info, errors.New("an instance of this name was made to end, and not stopped")
	}
	if err := r.Fault.check(); err != nil {
		return info, err
	}
	request := r
	if r.Device == "" {
		r.Device = s.cards[0]
	}
	d, err := s.find(r.Device)
	if err != nil {
		return info, err
	}
	i := &instance{name: r.Name, request: request, process: startProcess(), gone: make(chan struct{})}
	for _, h := range held {
		i.addresses = append(i.addresses, h.address)
	}
	if err := s.connect(i, r.Device, r.Env); err != nil {
		return info, errors.Join(err, i.disconnect())
	}
	if i.device, err = s.occupy(r.Device, d); err != nil {
		return info, errors.Join(err, i.disconnect())
	}
	i.device.instances++
	i.info = results.Instance{Service: r.Service, Name: r.Name, Device: r.Device}
	switch r.Role {
	case results.RoleVision:
		err = s.launchVision(i, r)
	case results.RoleAgent:
		err = s.launchAgent(i, r)
	default:
		err = fmt.Errorf("role %q is neither %s nor %s", r.Role, results.RoleVision, results.RoleAgent)
	}
	if err == nil {
		err = s.dropClock(i)
	}
	if err != nil {
		return info, errors.Join(err, s.release(i))
	}
	s.instances[i.name] = i
	return i.info, nil
}

func (s *server) launchVision(i *instance, r startRequest) error {
	known, options := make(map[string]parameters.DetectorOn), defaultTorchServe()
	if err := readParams(r.Params, options.parameters()); err != nil {
		return err
	}
	if err := options.check(); err != nil {
		return err
	}
	var memory uint64
	for _, m := range r.Models {
		detector, err := s.parameters.DetectorOn(i.device.card, m.Name)
		if err != nil {
			return err
		}
		known[m.Name] = detector
		if m.Workers < 1 {
			return fmt.Errorf("model %s: %d workers, want at least 1", m.Name, m.Workers)
		}
		memory += uint64(m.Workers) * detector.MemoryBytes
		if err := i.checkLimit("a worker of "+m.Name, detector.MemoryBytes); err != nil {
			return err
		}
	}
	if err := s.allocate(i, memory); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	if r.Fault != nil && r.Fault.Kind == MemoryLeak {
		i.leak = newLeak(uint64(r.Fault.MiB*(1<<20)), 0)
		if err := s.showLeak(i); err != nil {
			return err
		}
	}
	t := &torchServe{driver: s.driver, options: options, host: host, gone: i.gone, resize: s.resizer(i), leak: i.leak, hold: r.Fault.hold()}
	i.served = &t.served
	i.info.Workers = make(map[string]int)
	i.info.Version = r.Fault.version("torchserve-simulated")
	err = s.driver.do(func(w *model.World) {
		for _, m := range r.Models {
			cfg := known[m.Name].Config
			options.apply(&cfg)
			cfg.Workers = m.Workers
			cfg = r.Fault.detector(i.device.device.Config(), cfg)
			t.models = append(t.models, &torchModel{
				name: m.Name, minWorkers: m.Workers, maxWorkers: m.Workers, started: time.Now(),
				workerBytes: known[m.Name].MemoryBytes,
				detector:    model.NewDetector(w, s.host, i.device.device, i.client, cfg),
			})
			i.info.Workers[m.Name] += m.Workers
		}
	})
	if err != nil {
		return err
	}
	i.end = func() {
		for _, m := range t.models {
			m.detector.Close()
		}
	}
	i.hosted = func() (sum time.Duration) {
		for _, m := range t.models {
			sum += m.detector.HostTime()
		}
		return sum
	}
	urls, err := s.open(i, t.inference(), t.management(), t.metrics())
	if err != nil {
		return err
	}
	i.info.URL = urls[0]
	i.info.Scrapes = []results.Scrape{{Kind: "torchserve", URL: urls[1]}, {Kind: "torchserve-metrics", URL: urls[2]}}
	return nil
}

func (s *server) launchAgent(i *instance, r startRequest) error {
	if len(r.Models) != 1 {
		return fmt.Errorf("an agent instance serves one model, not %d", len(r.Models))
	}
	preset, err := s.parameters.EngineOn(i.device.card, r.Models[0].Name)
	if err != nil {
		return err
	}
	use, context := parameters.MemoryUse, 0
	var options vllmOptions
	known := options.parameters()
	maps.Copy(known, map[string]any{
		"max_num_seqs": &preset.Config.MaxSeqs, "max_num_batched_tokens": &preset.Config.MaxTokens,
		"max_model_len": &context, "gpu_memory_utilization": &use, "enable_prefix_caching": &preset.Config.PrefixCache,
	})
	preset.Config.ImageCache = vllmImages
	if preset.Config, err = r.Fault.engine(preset.Config); err != nil {
		return err
	}
	if err := readParams(r.Params, known); err != nil {
		return err
	}
	if use > 1 {
		return fmt.Errorf("gpu_memory_utilization is %v, want a share of at most 1", use)
	}
	memory, err := s.cardsFile.Memory(r.Device)
	if err != nil {
		return err
	}
	budget, err := preset.Budget(memory.TotalBytes, use, context)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Models[0].Name, err)
	}
	if err := i.checkLimit(r.Models[0].Name, budget.Bytes); err != nil {
		return err
	}
	if err := s.allocate(i, budget.Bytes); err != nil {
		return err
	}
	v := &vllmServer{
		driver: s.driver, name: r.Models[0].Name, maxTokens: budget.ContextTokens, answer: preset.AnswerTokens,
		started: time.Now(), gone: i.gone, options: options, metrics: newVLLMMetrics(budget.ContextTokens),
		hold: r.Fault.hold(),
	}
	v.use(budget.Config, use)
	if err := s.driver.do(func(w *model.World) { v.engine = model.NewEngine(w, s.host, i.device.device, i.client, budget.Config) }); err != nil {
		return err
	}
	i.served = &v.served
	i.end = func() { v.engine.Close() }
	i.hosted = v.engine.HostTime
	urls, err := s.open(i, v.handler())
	if err != nil {
		return err
	}
	i.info.URL, i.info.Version = urls[0], r.Fault.version("vllm "+vllmVersion)
	i.info.Scrapes = []results.Scrape{{Kind: "vllm", URL: urls[0]}, {Kind: "vllm-load", URL: urls[0]}}
	i.info.Workers = map[string]int{v.name: 1}
	return nil
}

// readParams writes named parameters over their defaults: positive numbers,
// true or false, or a text.
func readParams(params map[string]string, into map[string]any) error {
	for name, text := range params {
		var err error
		switch p := into[name].(type) {
		case *int:
			*p, err = strconv.Atoi(text)
			if err == nil && *p < 1 {
				err = errors.New("want at least 1")
			}
		case *float64:
			*p, err = strconv.ParseFloat(text, 64)
			if err == nil && !(*p > 0) {
				err = errors.New("want more than 0")
			}
		case *bool:
			*p, err = strconv.ParseBool(text)
		case *string:
			*p = text
		default:
			return fmt.Errorf("unknown parameter %q; known: %s", name, strings.Join(slices.Sorted(maps.Keys(into)), ", "))
		}
		if err != nil {
			return fmt.Errorf("parameter %s: %q: %w", name, text, err)
		}
	}
	return nil
}

// allocate takes device memory for an instance.
func (s *server) allocate(i *instance, bytes uint64) error {
	err := s.enter(i, bytes)
	if !errors.Is(err, nvml.ErrInsufficientResources) {
		return err
	}
	d := i.device
	m, merr := s.cardsFile.Memory(d.uuid)
	return errors.Join(fmt.Errorf("CUDA out of memory: tried to allocate %s on %s, of which %s of %s are in use: %w",
		parameters.GiB(bytes), d.uuid, parameters.GiB(m.UsedBytes), parameters.GiB(m.TotalBytes), err), merr)
}

// enter shows an instance's process on its device, with so much memory in all.
func (s *server) enter(i *instance, bytes uint64) error {
	kind := nvml.ComputeProcess
	if i.mps != nil {
		kind = nvml.MPSProcess
	}
	err := s.cardsFile.AddProcessOf(nvml.Process{PID: i.process.pid, Name: processName, Device: i.device.uuid, Kind: kind, UsedBytes: &bytes})
	if err == nil {
		i.memoryBytes = bytes
	}
	return err
}
