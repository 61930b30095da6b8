package dcgm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/results"
)

// Whatever a page says, it is refused or gives readings of the layout's devices.
func FuzzRead(f *testing.F) {
	for name := range pages() {
		f.Add([]byte(file(f, name)))
	}
	for _, text := range []string{"", "{}", energy + " 1\n", `DCGM_FI_DEV_XID_ERRORS{UUID="` + h100 + `",GPU_I_ID="7"} -1` + "\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := made(t, append(cut(h100, "1g.10gb", 7, 7), whole(readme)...))
		readings, err := c.read(text, time.Now())
		if err != nil && len(readings) == 0 {
			return
		}
		sourcetest.Readings(t, readings)
		for _, r := range readings {
			s := r.Subject
			if s.Kind != results.SubjectHost && s.ID != h100 && s.ID != readme && s.GPU != h100 {
				t.Errorf("not the layout's: %+v", r)
			}
		}
	})
}

// eightBySeven gives the page of 8 GPUs with 7 instances each, and its layout.
func eightBySeven(b *testing.B) (string, []Device) {
	b.Helper()
	one := file(b, "transcribed-mig-7x1g.txt")
	var all strings.Builder
	var devices []Device
	types := true
	for i := range 8 {
		gpu := fmt.Sprintf("GPU-%d", i)
		for line := range strings.Lines(strings.ReplaceAll(one, h100, gpu)) {
			if types || !strings.HasPrefix(line, "#") {
				all.WriteString(line)
			}
		}
		types = false
		devices = append(devices, cut(gpu, "1g.10gb", 7, 7)...)
	}
	return all.String(), devices
}

// A read of 8 GPUs x 7 instances, without the socket; at 1 Hz it is this time of each
// second of one core.
func BenchmarkRead8x7(b *testing.B) {
	text, devices := eightBySeven(b)
	c := made(b, devices)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		readings, err := c.read([]byte(text), time.Now())
		if err != nil || len(readings) != 8*(7*8+6)+1 && len(readings) != 8*(7*8+6)+2 {
			b.Fatalf("%d readings, %v", len(readings), err)
		}
	}
}
