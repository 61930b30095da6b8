package sim

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/evabench/evabench/sim/model"
)

// The variables by which a CUDA client finds its device and its MPS daemon.
const (
	envDevices = "CUDA_VISIBLE_DEVICES"
	envPipe    = "CUDA_MPS_PIPE_DIRECTORY"
	envLog     = "CUDA_MPS_LOG_DIRECTORY"
	envPercent = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
)

// startMPS starts the control daemon of a device and gives what its clients
// need. s.mu is held.
func (s *server) startMPS(uuid string) (map[string]string, error) {
	if _, err := s.find(uuid); err != nil {
		return nil, fmt.Errorf("start MPS: %w", err)
	}
	if _, runs := s.daemons[uuid]; runs {
		return nil, fmt.Errorf("start MPS on %s: an instance of this daemon is already running", uuid)
	}
	env := map[string]string{
		envPipe: filepath.Join(s.dir, "mps", uuid, "pipe"),
		envLog:  filepath.Join(s.dir, "mps", uuid, "log"),
	}
	for _, dir := range env {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("start MPS on %s: %w", uuid, err)
		}
	}
	s.daemons[uuid] = env[envPipe]
	return env, nil
}

// stopMPS ends a daemon, which must have no client. s.mu is held.
func (s *server) stopMPS(uuid string) error {
	pipe, runs := s.daemons[uuid]
	if !runs {
		return fmt.Errorf("stop MPS on %s: no daemon runs", uuid)
	}
	for _, i := range s.instances {
		if i.device.uuid == uuid && i.client.MPS {
			return fmt.Errorf("stop MPS on %s: %s is still a client", uuid, i.name)
		}
	}
	delete(s.daemons, uuid)
	if err := os.RemoveAll(filepath.Dir(pipe)); err != nil {
		return fmt.Errorf("stop MPS on %s: %w", uuid, err)
	}
	return nil
}

// listMPS names the devices that have a daemon. s.mu is held.
func (s *server) listMPS() []string {
	return slices.AppendSeq([]string{}, maps.Keys(s.daemons))
}

// client reads from an environment how a process uses the device. Without a
// pipe directory it is a process like any other, whatever daemon runs.
func (s *server) client(uuid string, env map[string]string) (model.Client, error) {
	if visible, set := env[envDevices]; set && visible != uuid {
		return model.Client{}, fmt.Errorf("%s is %q, but the device is %s", envDevices, visible, uuid)
	}
	pipe, set := env[envPipe]
	if !set {
		return model.Client{Share: 1}, nil
	}
	if s.daemons[uuid] != pipe {
		return model.Client{}, fmt.Errorf("MPS client failed to connect to the MPS control daemon of %s at %s", uuid, pipe)
	}
	c := model.Client{MPS: true, Share: 1}
	if text, set := env[envPercent]; set {
		percent, err := strconv.ParseFloat(text, 64)
		if err != nil || !(percent > 0 && percent <= 100) {
			return model.Client{}, errors.New(envPercent + " is " + strconv.Quote(text) + ", want a number above 0 and up to 100")
		}
		c.Share = percent / 100
	}
	return c, nil
}
