package analysis

import (
	"slices"
	"strings"
)

// eventReasons are the reasons, with the bit of the mask (nvml.h,
// nvmlClocksEventReason…) and the counter of its time, where NVML has one.
var eventReasons = []struct {
	name, series string
	bit          uint64
}{
	{"idle", "", 0x1},
	{"application clocks", "", 0x2},
	{"power cap", "nvml:reason_sw_power_cap_seconds", 0x4},
	{"hardware slowdown", "", 0x8},
	{"sync boost", "nvml:reason_sync_boost_seconds", 0x10},
	{"thermal, software", "nvml:reason_sw_thermal_seconds", 0x20},
	{"thermal, hardware", "nvml:reason_hw_thermal_seconds", 0x40},
	{"power brake", "nvml:reason_hw_power_brake_seconds", 0x80},
	{"board limit", "nvml:reason_board_limit_seconds", 0x200},
	{"reliability", "nvml:reason_reliability_seconds", 0x400},
}

// seriesEnergy counts the energy that a GPU took, in J.
const seriesEnergy = "nvml:energy_joules"

// powerGauges are the series of a GPU's power, the best one first.
var powerGauges = []string{"nvml:power_instant_watts", "nvml:power_average_watts", "nvml:power_usage_watts"}

func (d deviceSeries) gpu(name, uuid string) GPUActivity {
	a := GPUActivity{
		GPU: name, UUID: uuid, Readings: d.readings(),
		SMClock: d.mean("Hz", "nvml:sm_clock_hertz"), SMClockMax: d.most("Hz", "nvml:sm_clock_hertz"), Temperature: d.most("°C", "nvml:temperature_celsius"),
	}
	a.Power, a.PowerFrom = d.growth("W", seriesEnergy), seriesEnergy
	for _, series := range powerGauges {
		if gauge := d.mean("W", series); !a.Power.Known() && gauge.Known() {
			a.Power, a.PowerFrom = gauge, series
		}
	}
	if !a.Power.Known() {
		a.PowerFrom = ""
	}
	for _, r := range eventReasons {
		a.Reasons = append(a.Reasons, d.reason(r.name, r.series, r.bit))
	}
	return a
}

// readings is how often NVML was asked of the GPU: the most readings of a series.
func (d deviceSeries) readings() int64 {
	n := 0
	for series := range d.series {
		if strings.HasPrefix(series, "nvml:") {
			n = max(n, len(d.of(series)))
		}
	}
	return int64(n)
}

// reason is from its counter, and where that is not told from the mask.
func (d deviceSeries) reason(name, series string, bit uint64) EventReason {
	if series != "" {
		if share := d.growth("ratio", series); share.Known() {
			return EventReason{Name: name, Share: share}
		}
	}
	points := d.of("nvml:clocks_event_reasons")
	if len(points) == 0 {
		return EventReason{Name: name, Share: unknown("ratio", "no reading of clock event reasons in the window")}
	}
	set := 0
	for _, p := range points {
		if uint64(p.Value)&bit != 0 {
			set++
		}
	}
	return EventReason{Name: name, Share: known(float64(set)/float64(len(points)), "ratio"), Sampled: true}
}

// perAnswer divides a GPU's energy of the window among the ok answers that came within it.
// Where services share the GPU there is no telling whose energy it was.
func perAnswer(power Value, c cellFacts, s Step, w window, gpu string) Value {
	on := map[string]bool{}
	for _, d := range c.layout.Devices {
		on[d.UUID] = d.GPU == gpu
	}
	var services []string
	var answers int64
	for _, i := range c.cell.Instances {
		if !on[i.Device] {
			continue
		}
		for _, service := range s.Services {
			if service.Name != i.Service {
				continue
			}
			if !slices.Contains(services, service.Name) {
				services = append(services, service.Name)
			}
			for _, g := range service.Instances {
				if g.Name == i.Name {
					answers += g.Completed
				}
			}
		}
	}
	switch {
	case len(services) > 1:
		return inapplicable("J", "answers of "+strings.Join(services, " and ")+" share the GPU's energy")
	case !power.Known():
		return unknown("J", power.Why)
	case answers == 0:
		return unknown("J", "no answer came from an instance that is known to run on it")
	}
	return known(*power.Number*w.seconds()/float64(answers), "J")
}
