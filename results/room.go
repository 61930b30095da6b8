package results

import "fmt"

const (
	// reserve is what a disk must have left in bytes before a step begins: for the
	// cell's record, its observations, the reports, and the samples of closed loops,
	// which nobody can count before.
	reserve = 64 << 20
	// sampleBytes is what a sample may take on the disk: 23 to 38 bytes were seen in 76
	// files of 1 MB and more, and streams with long texts of their own may take more.
	sampleBytes = 100
)

// RoomFor is what a step of so many arrivals may take of the disk in bytes, and what is to
// be left when it is written.
func RoomFor(arrivals float64) int64 { return reserve + int64(arrivals*sampleBytes) }

// Room gives an error that is the disk's if a step of so many arrivals could fill it.
func (w *Writer) Room(arrivals float64) error {
	if err := w.disk.Room(w.dir, RoomFor(arrivals)); err != nil {
		return fmt.Errorf("look for room for the step's samples: %w", err)
	}
	return nil
}
