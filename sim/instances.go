package sim

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim/model"
)

// torchServeQueue is TorchServe's default job_queue_size.
const torchServeQueue = 100

// A startRequest asks for an instance of a service.
type startRequest struct {
	Service string            `json:"service"`
	Role    string            `json:"role"`
	Name    string            `json:"name"`
	Device  string            `json:"device"` // UUID; empty means the first GPU
	Env     map[string]string `json:"env"`
	Models  []services.Model  `json:"models"`
	Params  map[string]string `json:"params"`
}

// A gpu is a device on which instances run.
type gpu struct {
	uuid        string
	card        string // product name
	device      *model.Device
	memoryBytes uint64 // in use by instances
	instances   int
}

// An instance is a running TorchServe or vLLM.
type instance struct {
	name        string
	device      *gpu
	client      model.Client
	memoryBytes uint64
	gone        chan struct{}
	listeners   []*listener
	end         func() // takes it out of the World
	info        results.Instance
}

// launch starts an instance. s.mu is held.
func (s *server) launch(r startRequest) (info results.Instance, err error) {
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
	if r.Device == "" {
		r.Device = s.cards[0]
	}
	d, sms, err := s.find(r.Device)
	if err != nil {
		return info, err
	}
	i := &instance{name: r.Name, gone: make(chan struct{})}
	if i.client, err = s.client(r.Device, r.Env); err != nil {
		return info, err
	}
	i.device = s.occupy(r.Device, d.Name, sms)
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
	if err != nil {
		return info, errors.Join(err, s.release(i))
	}
	s.instances[i.name] = i
	return i.info, nil
}

func (s *server) launchVision(i *instance, r startRequest) error {
	known, queue := detectorModels(), torchServeQueue
	if err := readParams(r.Params, map[string]any{"job_queue_size": &queue}); err != nil {
		return err
	}
	var memory uint64
	for _, m := range r.Models {
		preset, ok := known[m.Name]
		if !ok {
			return fmt.Errorf("unknown model %q; known: %s", m.Name, names(known))
		}
		if m.Workers < 1 {
			return fmt.Errorf("model %s: %d workers, want at least 1", m.Name, m.Workers)
		}
		memory += uint64(m.Workers) * preset.memoryBytes
	}
	if err := s.allocate(i, memory); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	t := &torchServe{driver: s.driver, host: host, gone: i.gone}
	i.info.Workers = make(map[string]int)
	i.info.Version = "torchserve-simulated"
	err = s.driver.do(func(w *model.World) {
		for _, m := range r.Models {
			cfg := known[m.Name].config
			cfg.Workers, cfg.Queue = m.Workers, queue
			t.models = append(t.models, &torchModel{
				name: m.Name, workers: m.Workers, queue: queue, started: time.Now(),
				memoryBytesPerWorker: known[m.Name].memoryBytes,
				detector:             model.NewDetector(w, i.device.device, i.client, cfg),
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
	urls, err := s.open(i, t.inference(), t.management(), t.metrics())
	if err != nil {
		return err
	}
	i.info.URL = urls[0]
	i.info.Scrapes = []results.Scrape{{Kind: "torchserve", URL: urls[1]}}
	return nil
}

func (s *server) launchAgent(i *instance, r startRequest) error {
	known := engineModels(i.device.card)
	preset, ok := known[r.Models[0].Name]
	if !ok || len(r.Models) != 1 {
		return fmt.Errorf("an agent instance serves one model of: %s", names(known))
	}
	cfg, use, context := preset.config, 0.9, 0 // vLLM's default of gpu_memory_utilization
	if err := readParams(r.Params, map[string]any{
		"max_num_seqs": &cfg.MaxSeqs, "max_num_batched_tokens": &cfg.MaxTokens,
		"max_model_len": &context, "gpu_memory_utilization": &use,
	}); err != nil {
		return err
	}
	if use > 1 {
		return fmt.Errorf("gpu_memory_utilization is %v, want a share of at most 1", use)
	}
	memory, err := s.cardsFile.Memory(r.Device)
	if err != nil {
		return err
	}
	budget := uint64(use * float64(memory.TotalBytes))
	if budget <= preset.weightsBytes {
		return fmt.Errorf("CUDA out of memory: no available memory for the cache blocks: %s needs %s before its cache, allowed are %s",
			r.Models[0].Name, gibText(preset.weightsBytes), gibText(budget))
	}
	cfg.KVTokens = int((budget - preset.weightsBytes) / preset.kvBytes)
	if context > cfg.KVTokens {
		return fmt.Errorf("CUDA out of memory: max_model_len %d is more than the %d tokens that fit the KV cache", context, cfg.KVTokens)
	}
	if context == 0 {
		context = min(preset.contextTokens, cfg.KVTokens)
	}
	if err := s.allocate(i, budget); err != nil {
		return err
	}
	v := &vllmServer{
		driver: s.driver, name: r.Models[0].Name, maxTokens: context, answer: preset.answerTokens,
		started: time.Now(), gone: i.gone, metrics: newVLLMMetrics(),
	}
	if err := s.driver.do(func(w *model.World) { v.engine = model.NewEngine(w, i.device.device, i.client, cfg) }); err != nil {
		return err
	}
	i.end = func() { v.engine.Close() }
	urls, err := s.open(i, v.handler())
	if err != nil {
		return err
	}
	i.info.URL, i.info.Version = urls[0], "vllm "+vllmVersion
	i.info.Scrapes = []results.Scrape{{Kind: "vllm", URL: urls[0]}}
	i.info.Workers = map[string]int{v.name: 1}
	return nil
}

func gibText(bytes uint64) string { return fmt.Sprintf("%.2f GiB", float64(bytes)/gib) }

// readParams writes named parameters, positive numbers, over their defaults.
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
		default:
			return fmt.Errorf("unknown parameter %q; known: %s", name, names(into))
		}
		if err != nil {
			return fmt.Errorf("parameter %s: %q: %w", name, text, err)
		}
	}
	return nil
}

// allocate takes device memory for an instance. To the driver this whole
// process is one, which owns what its instances use together.
func (s *server) allocate(i *instance, bytes uint64) error {
	d := i.device
	if err := s.cardsFile.AddProcess(d.uuid, os.Getpid(), processName, d.memoryBytes+bytes); err != nil {
		if errors.Is(err, nvml.ErrInsufficientResources) {
			m, merr := s.cardsFile.Memory(d.uuid)
			return errors.Join(fmt.Errorf("CUDA out of memory: tried to allocate %s on %s, of which %s of %s are in use: %w",
				gibText(bytes), d.uuid, gibText(m.UsedBytes), gibText(m.TotalBytes), err), merr)
		}
		return err
	}
	d.memoryBytes += bytes
	i.memoryBytes = bytes
	return nil
}
