package results

// An Observation is one reading of one collector.
type Observation struct {
	At      Offset  // when the answer was in
	Source  string  // the collector's kind: "vllm", "nvml", …
	Subject Subject // what was read
	Series  string  // the series' name at its source, such as "vllm:num_requests_waiting"
	Value   float64 // never NaN: what is unknown gives no Observation
	Unit    string  // base unit: "1", "s", "B", "B/s", "W", "J", "Hz", "°C", "ratio"
}

// A SubjectKind says what sort of thing an Observation is about.
type SubjectKind string

// The kinds of subject.
const (
	SubjectEndpoint SubjectKind = "endpoint" // a service instance; ID is its name
	SubjectInstance SubjectKind = "instance" // a MIG instance; ID is its UUID
	SubjectGPU      SubjectKind = "gpu"      // a physical GPU; ID is its UUID
	SubjectHost     SubjectKind = "host"
	SubjectProcess  SubjectKind = "process" // ID is "name/pid"
	SubjectClient   SubjectKind = "client"  // evabench itself
)

// A Subject is what an Observation is about. It is comparable.
type Subject struct {
	Kind SubjectKind `json:"kind"`
	ID   string      `json:"id"`
	// GPU is the parent's UUID for an instance, else empty.
	GPU string `json:"gpu,omitempty"`
	// Detail tells subjects of one ID apart: a model's name within a server,
	// an instance's profile.
	Detail string `json:"detail,omitempty"`
}

// The series under which a collector records its own reading, whatever its
// source: how long it took and whether it came.
const (
	SeriesReadSeconds = "evabench:read_seconds" // unit "s"; every read, also failed ones
	SeriesReadOK      = "evabench:read_ok"      // 1 or 0
)

// SourceServer is the Source of what a server tells of its own requests, by its
// own clock, for a collector that asks it for exactly that. The first two series
// are counters of each instance (SubjectEndpoint); together they say what the
// server itself took for the requests that it answered, without HTTP and the
// client. Few servers tell them.
const (
	SourceServer = "server"
	// SeriesServerFinished counts the requests that were answered. Unit "1".
	SeriesServerFinished = "server:requests_finished_total"
	// SeriesServerTook adds up their time from arrival to answer. Unit "s".
	SeriesServerTook = "server:request_seconds_total"
	// SeriesServerLate is the most that the server's own timer was late since
	// it began. The server is the subject (SubjectHost). Unit "s", of the clock.
	SeriesServerLate = "server:late_seconds_max"
)

// A Sink takes facts as they come. Its methods are called concurrently, by
// load and collectors, and must not block on disk, network or a viewer.
type Sink interface {
	Sample(Sample)
	Observation(Observation)
}
