package analysis

// WaitingSeries gives the series in which a kind of collector tells how many requests
// wait at a server; false if it tells none.
func WaitingSeries(source string) (string, bool) {
	e, ok := engineOf(source)
	return e.waiting, ok && e.waiting != ""
}

// ActivitySeries are the series that tell how busy a device was, as a ratio, the best
// first: of its SMs, then of its engine.
func ActivitySeries() []string {
	return []string{"gpm:sm_active_ratio", "DCGM_FI_PROF_SM_ACTIVE", "gpm:graphics_active_ratio", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "nvml:gpu_utilization_ratio"}
}

// SeriesMemoryUsed is the series of a device's memory in use, in bytes.
const SeriesMemoryUsed = "nvml:memory_used_bytes"
