package analysis

// The ends of a search.
const (
	// CapacityFound: there is an estimate with an interval.
	CapacityFound = "found"
	// CapacityNever: the SLO is not met at the least load that was tried.
	CapacityNever = "never met"
	// CapacityAlways: it is met at the largest load that may be asked for.
	CapacityAlways = "always met"
	// CapacityCliff: it is met at one load and far from met at one that is hardly
	// higher, with no load between at which a share of requests is late.
	CapacityCliff = "cliff"
	// CapacityNonMonotone: it is not met at a load that lies clearly below one at
	// which it is.
	CapacityNonMonotone = "non-monotone"
	// CapacityDrift: the same load gave results that moved with time.
	CapacityDrift = "drift"
	// CapacityUnfinished: the cell ended, or the price was spent, before there was
	// an interval; or the SLO is not missed where a clause cannot be judged.
	CapacityUnfinished = "unfinished"
	// CapacityBracketed: a ladder of loads met it at one and not at the next, which is
	// all that a ladder can say.
	CapacityBracketed = "bracketed"
	// CapacityBeaten: the SLO is clearly missed at the capacity of another configuration,
	// so that the search was ended: see [Race].
	CapacityBeaten = "beaten"
	// CapacityInvalid: steps at the boundary measure the client.
	CapacityInvalid = "invalid"
)

// A Capacity is what the search of a cell came to: the largest load along its ray
// that meets every clause of every service's SLO, without queues that grow.
// Loads are in Unit along the ray.
type Capacity struct {
	// Ray and Mix are, of a search along several rays, the number of this one, from 1, and
	// the loads that are raised by one factor: "vision 12 req/s : agent 2.5 users". Loads
	// along the ray are factors of these.
	Ray int    `json:"ray,omitempty"`
	Mix string `json:"mix,omitempty"`
	// Raised is the service whose load was raised with the others held, empty if all
	// were raised by one factor.
	Raised   string `json:"raised,omitempty"`
	Arrivals string `json:"arrivals"` // of the raised service; "all" of all
	Unit     string `json:"unit"`     // "req/s", "cameras", "users", or "ratio" of all
	State    string `json:"state"`    // one of the Capacity constants
	Why      string `json:"why,omitempty"`
	// Estimate has a 95 % interval from Low to High over repeats of the probes on
	// this deployment; what differs between deployments is not in it. Unknown but
	// when State is CapacityFound.
	Estimate Value `json:"estimate"`
	Low      Value `json:"low"`
	High     Value `json:"high"`
	// Above and Below bound the capacity where there is no interval: the SLO was met
	// at Above, by a step that told every clause, and not met at Below. Either may be unknown.
	Above Value `json:"met_at"`
	Below Value `json:"not_met_at"`
	// Tolerance is the half-width that was asked for, as a share of the estimate.
	Tolerance float64 `json:"tolerance"`
	// Binding is the clause that fails first, "vision: p99 < 50 ms".
	Binding string `json:"binding,omitempty"`
	// Signed is the load of the last confirmation that met everything.
	Signed Value `json:"signed"`
	// Confirmations are the steps at the load to be signed, in their order.
	Confirmations []Confirmation `json:"confirmations,omitempty"`
	// Loads are each service's at the estimate and at the signed load.
	Loads []CapacityLoad `json:"loads"`
	// Saturation is the throughput of the raised service in a step whose backlog
	// grew, the largest; unknown if none did.
	Saturation Value `json:"saturation_throughput"`
	// Requests counts the arrivals of the probes that the estimate rests on.
	Requests int64 `json:"requests"`
	Probes   int   `json:"probes"`
	// Quoted is the load time that was quoted when the boundary had been bracketed,
	// Spent what was spent in all, warm-ups of steps included, in seconds.
	Quoted Value `json:"quoted_seconds"`
	Spent  Value `json:"spent_seconds"`
	// Sentence states the result in words, for people who sign it.
	Sentence string `json:"sentence"`
}

// A Confirmation is one step at the load that is to be signed.
type Confirmation struct {
	Step  int     `json:"step"` // index within the cell
	Load  float64 `json:"load"`
	Heavy bool    `json:"heavy,omitempty"`
	// Met says whether every clause of every service was met and no queue grew;
	// Why names what was not.
	Met bool   `json:"met"`
	Why string `json:"why,omitempty"`
}

// A CapacityLoad is one service's load at the estimate and at the signed load, in
// its own unit; unknown where the Capacity's is.
type CapacityLoad struct {
	Service  string `json:"service"`
	Role     string `json:"role"`
	Unit     string `json:"unit"`
	Estimate Value  `json:"estimate"`
	Signed   Value  `json:"signed"`
}
