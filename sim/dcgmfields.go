package sim

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/nvml"
)

// A dcgmEntity is what dcgm-exporter has one line of a field for: a GPU, or
// each GPU instance of a GPU that has any (its default, "flexible":
// internal/pkg/devicemonitoring/device_monitoring.go).
type dcgmEntity struct {
	card nvml.Device
	// instance and profile are nil for a GPU.
	instance *nvml.GPUInstance
	profile  *nvml.Profile
	memory   *nvml.Memory // nil if the driver gives none
}

func readDCGMEntities(cards *nvml.Fake) (list []dcgmEntity, err error) {
	devices, err := cards.Devices()
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		instances, err := cards.Instances(d.UUID)
		if err != nil && !errors.Is(err, nvml.ErrNotSupported) {
			return nil, err
		}
		if len(instances) == 0 {
			list = append(list, dcgmEntity{card: d, memory: &d.Memory})
			continue
		}
		profiles, err := cards.Profiles(d.UUID)
		if err != nil {
			return nil, err
		}
		for _, gi := range instances {
			entity := dcgmEntity{card: d, instance: &gi}
			for _, p := range profiles {
				if p.ID == gi.ProfileID {
					entity.profile = &p
				}
			}
			// DCGM asks the first compute instance for the memory of both
			// (DcgmCacheManager.cpp, GetComputeInstanceNvmlDevice).
			if len(gi.Compute) > 0 {
				switch m, err := cards.Memory(gi.Compute[0].UUID); {
				case err == nil:
					entity.memory = &m
				case !errors.Is(err, nvml.ErrNotFound): // removed since
					return nil, err
				}
			}
			list = append(list, entity)
		}
	}
	return list, nil
}

// labels are those of dcgm-exporter in its order. UUID is the parent's, and so
// is everything but GPU_I_*. Bus and driver are nobody's; the driver says so.
func (e dcgmEntity) labels(host string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "gpu=\"%d\",UUID=%q,pci_bus_id=\"00000000:%02X:00.0\",device=\"nvidia%d\",modelName=%q",
		e.card.Index, e.card.UUID, e.card.Index+1, e.card.Index, e.card.Name)
	if e.instance != nil {
		fmt.Fprintf(&b, ",GPU_I_PROFILE=%q,GPU_I_ID=\"%d\"", e.profile.Name, e.instance.ID)
	}
	if host != "" {
		fmt.Fprintf(&b, ",hostname=%q", host)
	}
	b.WriteString(",DCGM_FI_DRIVER_VERSION=\"simulated\"")
	return b.String()
}

// A dcgmActivity is what an entity did, as ratios of what it could have done in
// the same time. All are of the entity's own SMs and bandwidth, not of the
// whole GPU's: an instance that is all busy has 1 (NVIDIA/DCGM
// dcgmproftester/PhysicalGpu.cpp, which expects a GPU instance's DRAM activity
// to be that of its compute instances over what one of them reaches alone;
// NVIDIA/DCGM#138, where one of two compute instances makes half of a 2g).
type dcgmActivity struct {
	known  bool    // false before the first collection
	engine float64 // time with a kernel on it; compute instances count by their slices
	// sm is the time with work of all SMs, over the time of all. A GPU counts
	// an SM that waits for memory as active, the model does not.
	sm float64
	// dram is bytes moved over the bandwidth that the model gives the entity.
	dram      float64
	dramKnown bool // false if the model has no limit for it
}

// activity adds up the devices of the entity. One on which nothing ran is idle,
// which is a 0 that is known.
func (e dcgmEntity) activity(used map[string]watchedDevice, interval time.Duration, known bool) dcgmActivity {
	a := dcgmActivity{known: known, dramKnown: known}
	seconds := interval.Seconds()
	add := func(uuid string, sms, weight float64) {
		d, ok := used[uuid]
		if !ok {
			return
		}
		a.engine += weight * d.latest.Busy.Seconds() / seconds
		a.sm += d.latest.SMSeconds / (sms * seconds)
		a.dram += d.latest.Bytes / (d.bandwidth * seconds)
		a.dramKnown = a.dramKnown && d.bandwidth > 0 && !math.IsInf(d.bandwidth, 1)
	}
	if e.instance == nil {
		add(e.card.UUID, float64(e.card.SMs), 1)
		return a
	}
	for _, ci := range e.instance.Compute {
		add(ci.UUID, float64(e.profile.SMs), float64(ci.Placement.Size)/float64(e.profile.Slices))
	}
	return a
}

// A dcgmField is one family of the page.
type dcgmField struct {
	name, help string
	// value is not ok where dcgm-exporter has no line for the entity.
	value func(dcgmEntity, dcgmActivity) (text string, ok bool)
}

// dcgmFields are the fields that the model can tell, in order of their number,
// as the exporter has them. Integers and ratios have its formats, %d and %f
// (internal/pkg/collector/gpu_collector.go, toString).
func dcgmFields() []dcgmField {
	memory := func(bytes func(nvml.Memory) uint64) func(dcgmEntity, dcgmActivity) (string, bool) {
		return func(e dcgmEntity, _ dcgmActivity) (string, bool) {
			if e.memory == nil {
				return "", false
			}
			return fmt.Sprint(bytes(*e.memory) >> 20), true
		}
	}
	ratio := func(of func(dcgmActivity) float64) func(dcgmEntity, dcgmActivity) (string, bool) {
		return func(_ dcgmEntity, a dcgmActivity) (string, bool) { return fmt.Sprintf("%f", of(a)), a.known }
	}
	return []dcgmField{
		// 203. There is none on a GPU with MIG on (NVIDIA/dcgm-exporter#50).
		{"DCGM_FI_DEV_GPU_UTIL", "GPU utilization (in %).", func(e dcgmEntity, a dcgmActivity) (string, bool) {
			return fmt.Sprintf("%.0f", 100*a.engine), a.known && !e.card.MIG.Current
		}},
		// 250, 251, 252
		{"DCGM_FI_DEV_FB_TOTAL", "Framebuffer memory total (in MiB).", memory(func(m nvml.Memory) uint64 { return m.TotalBytes })},
		{"DCGM_FI_DEV_FB_FREE", "Framebuffer memory free (in MiB).", memory(func(m nvml.Memory) uint64 { return m.TotalBytes - m.UsedBytes })},
		{"DCGM_FI_DEV_FB_USED", "Framebuffer memory used (in MiB).", memory(func(m nvml.Memory) uint64 { return m.UsedBytes })},
		// 1001, 1002, 1005
		{"DCGM_FI_PROF_GR_ENGINE_ACTIVE", "Ratio of time the graphics engine is active.", ratio(func(a dcgmActivity) float64 { return a.engine })},
		{"DCGM_FI_PROF_SM_ACTIVE", "The ratio of cycles an SM has at least 1 warp assigned.", ratio(func(a dcgmActivity) float64 { return a.sm })},
		{"DCGM_FI_PROF_DRAM_ACTIVE", "Ratio of cycles the device memory interface is active sending or receiving data.",
			func(_ dcgmEntity, a dcgmActivity) (string, bool) { return fmt.Sprintf("%f", a.dram), a.dramKnown }},
	}
}

// write writes the family unless it has no line.
func (f dcgmField) write(w io.Writer, lines func(write func(labels, value string))) {
	first := true
	lines(func(labels, value string) {
		if first {
			fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n", f.name, f.help, f.name)
			first = false
		}
		fmt.Fprintf(w, "%s{%s} %s\n", f.name, labels, value)
	})
}
