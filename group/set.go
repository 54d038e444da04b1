package group

// set is a set of small indexes. A nil set is empty; every operation leaves its
// operands alone and shares what it can.
type set []uint64

func (s set) has(i int) bool { return i>>6 < len(s) && s[i>>6]&(1<<(i&63)) != 0 }

// with returns s with i added.
func (s set) with(i int) set {
	out := make(set, max(len(s), i>>6+1))
	copy(out, s)
	out[i>>6] |= 1 << (i & 63)
	return out
}

// union returns the members of both.
func (s set) union(o set) set {
	if len(s) < len(o) {
		s, o = o, s
	}
	if s.holds(o) {
		return s
	}
	out := make(set, len(s))
	copy(out, s)
	for i, w := range o {
		out[i] |= w
	}
	return out
}

// holds reports whether every member of o is in s.
func (s set) holds(o set) bool {
	for i, w := range o {
		if i >= len(s) && w != 0 || i < len(s) && w&^s[i] != 0 {
			return false
		}
	}
	return true
}

// intersect returns the members of s that o has too.
func (s set) intersect(o set) set {
	out := make(set, min(len(s), len(o)))
	for i := range out {
		out[i] = s[i] & o[i]
	}
	return out
}

// key is equal for equal sets.
func (s set) key() string {
	for len(s) > 0 && s[len(s)-1] == 0 {
		s = s[:len(s)-1]
	}
	b := make([]byte, 0, 8*len(s))
	for _, w := range s {
		for shift := 0; shift < 64; shift += 8 {
			b = append(b, byte(w>>shift))
		}
	}
	return string(b)
}
