package nvml

import "fmt"

var (
	_ TelemetryReader = (*Fake)(nil)
	_ ActivityReader  = (*Fake)(nil)
)

// Telemetry gives ErrNotSupported for every quantity: no simulation knows the power,
// clocks or heat of a card, and none is invented.
func (f *Fake) Telemetry(gpu string) ([]Reading, error) {
	err := f.look(func(cards []*fakeCard) error {
		_, err := findGPU(cards, gpu)
		return err
	})
	if err != nil {
		return nil, err
	}
	var readings []Reading
	for _, q := range Telemetry() {
		readings = append(readings, Reading{Quantity: q, Return: ErrNotSupported})
	}
	return readings, nil
}

// Activity is not supported: no simulation knows what an SM does.
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
