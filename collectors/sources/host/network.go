package host

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// network reads the interfaces, but for the containers' ends of their virtual cables: a
// node of a cluster has hundreds, and the host's own interfaces carry the same.
func (c *collector) network() error {
	devices, err := c.proc.NetDev()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		if strings.HasPrefix(name, "veth") || strings.HasPrefix(name, "cali") {
			continue
		}
		d, subject := devices[name], c.subject
		subject.Detail = name
		c.put(subject, SeriesReceived, float64(d.RxBytes), "B")
		c.put(subject, SeriesSent, float64(d.TxBytes), "B")
		c.put(subject, SeriesDropped, float64(d.RxDropped+d.RxErrors+d.TxDropped+d.TxErrors), "1")
	}
	return nil
}

func (c *collector) tcp() error {
	self, err := c.proc.Self()
	if err != nil {
		return err
	}
	s, err := self.Snmp()
	if err != nil {
		return err
	}
	if s.RetransSegs == nil {
		return errors.New("it does not tell RetransSegs of Tcp")
	}
	c.add(SeriesRetransmitted, *s.RetransSegs, "1")
	return nil
}

func (c *collector) listen() error {
	self, err := c.proc.Self()
	if err != nil {
		return err
	}
	s, err := self.Netstat()
	if err != nil {
		return err
	}
	if s.ListenDrops == nil {
		return errors.New("it does not tell ListenDrops of TcpExt")
	}
	c.add(SeriesListenDropped, *s.ListenDrops, "1")
	return nil
}
