package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
	"github.com/evabench/evabench/sim/model"
	"github.com/evabench/evabench/sim/parameters"
)

// connectWithin bounds how long an instance waits for its MPS daemon, which lets
// clients of another user wait without a word.
const connectWithin = 10 * time.Second

// connect makes an instance the client that its environment makes it, as CUDA
// does while it initialises: of the daemon of its pipe folder, or if none answers
// there, of none, without a word. A daemon that refuses is an error.
//
// Simplifications: without a pipe folder CUDA looks at the default one, where
// a daemon of real GPUs may be; a simulated client does not. An instance is one
// client, however many workers it has.
func (s *server) connect(i *instance, uuid string, env map[string]string) error {
	if visible, set := env[mps.DeviceVariable]; set && visible != uuid {
		return fmt.Errorf("%s is %q, but the device is %s", mps.DeviceVariable, visible, uuid)
	}
	i.client = model.Client{Share: 1}
	pipe, set := env[mps.PipeVariable]
	if !set {
		return nil
	}
	c := mpsfake.Client{PID: i.process.pid, UID: os.Geteuid(), Name: processName}
	if text, set := env[mps.PercentVariable]; set {
		percent, err := strconv.ParseFloat(text, 64)
		if err != nil || !(percent > 0 && percent <= 100) {
			return fmt.Errorf("%s is %q, want a number above 0 and up to 100", mps.PercentVariable, text)
		}
		c.ThreadPercent = percent
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectWithin)
	defer cancel()
	conn, err := mpsfake.Connect(ctx, pipe, c)
	if errors.Is(err, mpsfake.ErrNoDaemon) {
		return nil
	}
	if err != nil {
		return err
	}
	i.mps = conn
	i.client.MPS = true
	i.client.Share = conn.Limits().ThreadPercent / 100
	return nil
}

// disconnect ends an instance's process, and takes it from its daemon, if it has
// one.
func (i *instance) disconnect() error {
	i.process.stop()
	if i.mps == nil {
		return nil
	}
	return i.mps.Close()
}

// checkLimit refuses memory beyond what the MPS daemon lets one process have.
func (i *instance) checkLimit(what string, bytes uint64) error {
	if i.mps == nil {
		return nil
	}
	if limit := i.mps.Limits().MemoryBytes; limit > 0 && bytes > limit {
		return fmt.Errorf("CUDA out of memory: %s needs %s, and the MPS daemon allows %s to a client", what, parameters.GiB(bytes), parameters.GiB(limit))
	}
	return nil
}
