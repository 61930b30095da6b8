package stub

// A heap holds the connections with something to do at a moment, the earliest
// first. A connection stands in it at most once and knows where.
type heap []*conn

// set puts c where its moment belongs.
func (h *heap) set(c *conn) {
	if c.place == 0 {
		*h = append(*h, c)
		c.place = len(*h)
	}
	h.up(c.place - 1)
	h.down(c.place - 1)
}

// remove takes c out if it is in.
func (h *heap) remove(c *conn) {
	if c.place == 0 {
		return
	}
	i, last := c.place-1, len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	c.place = 0
	if i < last {
		h.up(i)
		h.down(i)
	}
}

func (h heap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

func (h heap) up(i int) {
	for i > 0 && h[i].at < h[(i-1)/4].at {
		h.swap(i, (i-1)/4)
		i = (i - 1) / 4
	}
}

func (h heap) down(i int) {
	for {
		least := i
		for j := 4*i + 1; j <= 4*i+4 && j < len(h); j++ {
			if h[j].at < h[least].at {
				least = j
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
