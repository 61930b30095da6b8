package dcgm

// A scope says what a field's value is about when its line carries an instance's labels.
type scope int

const (
	perInstance scope = iota // the instance
	ofParent                 // the whole GPU: each instance's line repeats it
	wholeOnly                // nothing: a line of a whole GPU alone tells it
)

// A field is one of DCGM's, as dcgm-exporter names it.
type field struct {
	name  string
	unit  string  // base unit
	scale float64 // base units in one of the page's
	scope scope
}

// energy is the field that stands still on no powered GPU.
const energy = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"

// fields are those that are taken, with the page's units as
// NVIDIA/dcgm-exporter etc/default-counters.csv (4.5.3-4.8.2) tells them. Under MIG
// DCGM knows power, clocks, heat and links of the GPU alone and repeats them under
// each instance's labels (NVIDIA/dcgm-exporter#50, #257); utilization it does not
// know at all, and some versions print a 0 (#216).
//
// Note: the violation fields are left out. Their unit was told as us and, later, as
// ns; NVML's own counters tell the same.
func fields() []field {
	const mib, mega, milli, percent = 1 << 20, 1e6, 1e-3, 1e-2
	return []field{
		{"DCGM_FI_PROF_GR_ENGINE_ACTIVE", "ratio", 1, perInstance},
		{"DCGM_FI_PROF_SM_ACTIVE", "ratio", 1, perInstance},
		{"DCGM_FI_PROF_SM_OCCUPANCY", "ratio", 1, perInstance},
		{"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "ratio", 1, perInstance},
		{"DCGM_FI_PROF_DRAM_ACTIVE", "ratio", 1, perInstance},
		{"DCGM_FI_PROF_PIPE_FP64_ACTIVE", "ratio", 1, perInstance},
		{"DCGM_FI_PROF_PIPE_FP32_ACTIVE", "ratio", 1, perInstance},
		{"DCGM_FI_PROF_PIPE_FP16_ACTIVE", "ratio", 1, perInstance},
		{"DCGM_FI_PROF_PCIE_TX_BYTES", "B/s", 1, ofParent},
		{"DCGM_FI_PROF_PCIE_RX_BYTES", "B/s", 1, ofParent},
		{"DCGM_FI_PROF_NVLINK_TX_BYTES", "B/s", 1, ofParent},
		{"DCGM_FI_PROF_NVLINK_RX_BYTES", "B/s", 1, ofParent},
		{"DCGM_FI_DEV_FB_USED", "B", mib, perInstance},
		{"DCGM_FI_DEV_FB_FREE", "B", mib, perInstance},
		{"DCGM_FI_DEV_FB_RESERVED", "B", mib, perInstance},
		{"DCGM_FI_DEV_FB_TOTAL", "B", mib, perInstance},
		{"DCGM_FI_DEV_XID_ERRORS", "1", 1, perInstance}, // the last one's number
		{"DCGM_FI_DEV_SM_CLOCK", "Hz", mega, ofParent},
		{"DCGM_FI_DEV_MEM_CLOCK", "Hz", mega, ofParent},
		{"DCGM_FI_DEV_GPU_TEMP", "°C", 1, ofParent},
		{"DCGM_FI_DEV_MEMORY_TEMP", "°C", 1, ofParent},
		{"DCGM_FI_DEV_POWER_USAGE", "W", 1, ofParent},
		{energy, "J", milli, ofParent},
		{"DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "1", 1, ofParent},
		{"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "1", 1, ofParent},
		{"DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "1", 1, ofParent},
		{"DCGM_FI_DEV_ROW_REMAP_FAILURE", "1", 1, ofParent},
		{"DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "1", 1, ofParent},
		{"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "1", 1, ofParent},
		{"DCGM_FI_DEV_GPU_UTIL", "ratio", percent, wholeOnly},
		{"DCGM_FI_DEV_MEM_COPY_UTIL", "ratio", percent, wholeOnly},
		{"DCGM_FI_DEV_ENC_UTIL", "ratio", percent, wholeOnly},
		{"DCGM_FI_DEV_DEC_UTIL", "ratio", percent, wholeOnly},
	}
}

// blank reports whether a number is one of those with which DCGM says that it has
// none (dcgm_structs.h: DCGM_INT32_BLANK, DCGM_FP64_BLANK and DCGM_INT64_BLANK, and
// up to 15 above each for why). A page may hold them: the exporter's own README
// shows a memory temperature of 9223372036854775794.
//
// Note: a counter of energy or a rate of bytes passes through one of these bands of 16
// once in its life, if ever: a reading that is then missing is the lesser evil.
func blank(v float64) bool {
	for _, b := range []float64{0x7ffffff0, 1 << 47, 0x7ffffffffffffff0} {
		if v >= b && v <= b+15 {
			return true
		}
	}
	return false
}
