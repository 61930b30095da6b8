package nvml

import "fmt"

var (
	_ TelemetryReader = (*Fake)(nil)
	_ ActivityReader  = (*Fake)(nil)
)

// Telemetry tells the SMs' clock and the event reasons of a card that has been given them
// ([Fake.SetClock]), and gives ErrNotSupported for every other quantity: no simulation
// knows the power or heat of a card, and none is invented.
func (f *Fake) Telemetry(gpu string) ([]Reading, error) {
	var state FakeState
	err := f.look(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err == nil {
			state = c.State
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var readings []Reading
	for _, q := range Telemetry() {
		r := Reading{Quantity: q, Return: ErrNotSupported}
		switch {
		case state.SMClockHertz == 0:
		case q == SMClock:
			r.Value, r.Return = state.SMClockHertz, Success
		case q == EventReasons:
			r.Value, r.Return = float64(state.EventReasons), Success
		}
		readings = append(readings, r)
	}
	return readings, nil
}

// Activity is not supported: a file of cards does not know what an SM does. Who runs the
// model does.
func (f *Fake) Activity(uuid string) (ActivitySampler, error) {
	err := f.look(func(cards []*fakeCard) error {
		_, _, err := findDevice(cards, uuid)
		return err
	})
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("GPM: not on a simulated card: %w", ErrNotSupported)
}
