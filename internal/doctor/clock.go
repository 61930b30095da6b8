package doctor

import (
	"context"
	"slices"
	"strings"
)

// quick are clock sources that are read without a call of the kernel; slow ones
// are those known to take a microsecond or more. (Linux, Documentation/timers/
// timekeeping.rst, and vdso(7); xen: AWS, Manage the clock source for EC2.)
var (
	quick = []string{"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"}
	slow  = []string{"hpet", "acpi_pm", "jiffies", "refined-jiffies", "xen"}
)

const sources = "sys/devices/system/clocksource/clocksource0/"

// clock tells which counter the kernel's clocks read.
func clock(_ context.Context, m Machine) []Finding {
	now, err := m.text(sources + "current_clocksource")
	switch {
	case err != nil:
		return []Finding{unknown("which clock source is used cannot be read: %v", err)}
	case slices.Contains(quick, now):
		return []Finding{ok("clock source %s", now)}
	case !slices.Contains(slow, now):
		return []Finding{unknown("clock source %s is not one that evabench knows", now)}
	}
	available, _ := m.text(sources + "available_clocksource") // none where it cannot be read
	remedy := "sudo grubby --update-kernel=ALL --args=tsc=reliable   # then reboot; only where the processors' counters do agree: dmesg | grep -i tsc says why the kernel left them"
	for _, other := range strings.Fields(available) {
		if slices.Contains(quick, other) {
			remedy = "echo " + other + " | sudo tee /" + sources + "current_clocksource"
			break
		}
	}
	return []Finding{warn(remedy, "clock source %s: each reading takes a microsecond or more, and each request has several", now)}
}

// date tells whether the clock of dates is right.
func date(_ context.Context, m Machine) []Finding {
	if m.Synced == nil {
		return nil
	}
	switch yes, err := m.Synced(); {
	case err != nil:
		return []Finding{unknown("whether the clock follows another one is not told: %v", err)}
	case !yes:
		return []Finding{warn("sudo timedatectl set-ntp true", "the clock follows no other one: dates in reports may be wrong, and a step of it later would be told as a fault (durations are measured on another clock)")}
	}
	return []Finding{ok("the clock is synchronized")}
}
