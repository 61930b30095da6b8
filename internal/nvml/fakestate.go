package nvml

import "fmt"

// A FakeState is what a card can be found in and no call of the API brings
// about. The zero value is a card as a server has it: no display, no
// virtualization, compute mode default, ECC and the power limit as they come.
type FakeState struct {
	DisplayActive bool `json:"display_active,omitempty"`
	// DisplayMode is a board that drives displays, as RTX PRO workstation cards
	// do until NVIDIA's DisplayModeSelector has been run: it has no profiles and
	// MIG cannot be switched on.
	DisplayMode bool `json:"display_mode,omitempty"`
	// OldDriver: the driver does not tell the card's profiles, as those before 550 with
	// MIG off.
	OldDriver      bool           `json:"old_driver,omitempty"`
	Virtualization Virtualization `json:"virtualization,omitempty"`
	ComputeMode    ComputeMode    `json:"compute_mode,omitempty"`
	// Held: something that no list of processes shows holds the GPU, so that
	// each change of the MIG mode stays pending.
	Held bool `json:"held,omitempty"`
	// Lost: the GPU has dropped off the bus. It has no UUID any more, and each call
	// for the one that it had, or for a device of it, gives ErrGPUIsLost.
	Lost bool `json:"lost,omitempty"`
	// ECCPendingOff: ECC is on and a reset will switch it off.
	ECCPendingOff bool `json:"ecc_pending_off,omitempty"`
	// PowerLimitWatts is a power limit that somebody set; 0: the default.
	PowerLimitWatts float64 `json:"power_limit_watts,omitempty"`
	// SMClockHertz is the SMs' clock at the moment, 0 if nothing says what it is;
	// EventReasons is then the mask of why it is not higher ([EventReasons]).
	SMClockHertz float64 `json:"sm_clock_hertz,omitempty"`
	EventReasons uint64  `json:"clocks_event_reasons,omitempty"`
}

// SetState puts a card in a state.
func (f *Fake) SetState(gpu string, s FakeState) error {
	return f.change(func(cards []*fakeCard) error {
		c, err := findCardOf(cards, gpu)
		if err != nil {
			return fmt.Errorf("set the state of simulated GPU %s: %w", gpu, err)
		}
		c.State = s
		return nil
	})
}

// SetClock sets the clock of a card's SMs, more than 0, and the mask of why it is not
// higher, and leaves its state otherwise as it is.
func (f *Fake) SetClock(gpu string, hertz float64, reasons uint64) error {
	if !(hertz > 0) {
		return fmt.Errorf("set the clock of simulated GPU %s to %v Hz: %w", gpu, hertz, ErrInvalidArgument)
	}
	return f.change(func(cards []*fakeCard) error {
		c, err := findCardOf(cards, gpu)
		if err != nil {
			return fmt.Errorf("set the clock of simulated GPU %s: %w", gpu, err)
		}
		c.State.SMClockHertz, c.State.EventReasons = hertz, reasons
		return nil
	})
}

// State tells the state of a card.
func (f *Fake) State(gpu string) (s FakeState, err error) {
	err = f.read(func(cards []*fakeCard) error {
		c, err := findCardOf(cards, gpu)
		if err != nil {
			return fmt.Errorf("read the state of simulated GPU %s: %w", gpu, err)
		}
		s = c.State
		return nil
	})
	return s, err
}

// Reboot does to all cards what a reboot does: instances and processes are gone;
// a card that resets for a change of the MIG mode comes up in the pending one,
// any other with MIG off (NVIDIA MIG User Guide, Enable MIG Mode).
func (f *Fake) Reboot() error {
	return f.change(func(cards []*fakeCard) error {
		for _, c := range cards {
			c.Instances, c.Processes, c.Xids = nil, nil, nil
			c.Mode.Current = c.Mode.Pending && c.resets()
			c.Mode.Pending = c.Mode.Current
		}
		return nil
	})
}

// AddProcess enters a compute process of this machine on a MIG device or, with
// MIG off, on a GPU; see [Fake.AddProcessOf].
func (f *Fake) AddProcess(device string, pid int, name string, usedBytes uint64) error {
	return f.enter(fakeProcess{PID: pid, Name: name, Device: device, Kind: ComputeProcess, UsedBytes: &usedBytes})
}

// AddProcessOf enters a process of this machine, which is forgotten when it
// ends. It is ErrInvalidArgument to enter it on a GPU with MIG on, or without a
// kind, and ErrInsufficientResources if the memory does not suffice. Entering
// the same pid and device again replaces kind and memory.
func (f *Fake) AddProcessOf(p Process) error { return f.enter(newFakeProcess(p)) }

// AddForeign enters a process as AddProcessOf does, but one that is nobody's
// here, with any pid: it stays until RemoveProcess or Reboot.
func (f *Fake) AddForeign(p Process) error {
	own := newFakeProcess(p)
	own.Foreign = true
	return f.enter(own)
}

func (f *Fake) enter(p fakeProcess) error {
	return f.change(func(cards []*fakeCard) error {
		c, total, err := findDevice(cards, p.Device)
		if err != nil {
			return fmt.Errorf("enter process %d on %s: %w", p.PID, p.Device, err)
		}
		if p.Device == c.UUID && c.Mode.Current {
			return fmt.Errorf("enter process %d on %s, which has MIG on: %w", p.PID, p.Device, ErrInvalidArgument)
		}
		if !p.Kind.known() {
			return fmt.Errorf("enter process %d of kind %q on %s: %w", p.PID, p.Kind, p.Device, ErrInvalidArgument)
		}
		c.removeProcess(p.Device, p.PID)
		if used := c.usedOn(p.Device); used > total || p.usedBytes() > total-used {
			return fmt.Errorf("enter process %d on %s: %w", p.PID, p.Device, ErrInsufficientResources)
		}
		c.Processes = append(c.Processes, p)
		return nil
	})
}

func (k ProcessKind) known() bool {
	return k == GraphicsProcess || k == ComputeProcess || k == MPSProcess
}

// RemoveProcess takes a process from a device. One that is not there is
// ErrNotFound.
func (f *Fake) RemoveProcess(device string, pid int) error {
	return f.change(func(cards []*fakeCard) error {
		for _, c := range cards {
			if c.removeProcess(device, pid) {
				return nil
			}
		}
		return fmt.Errorf("remove process %d from %s: %w", pid, device, ErrNotFound)
	})
}
