package keys

import "strings"

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Encode writes b in base58btc: each leading zero byte is a leading
// '1', the rest is one big-endian number. Quadratic, so for short b only.
func base58Encode(b []byte) string {
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	var digits []byte // little endian, base 58
	for _, c := range b[zeros:] {
		digits = mulAdd(digits, 256, 58, int(c))
	}
	var s strings.Builder
	s.WriteString(strings.Repeat("1", zeros))
	for i := len(digits) - 1; i >= 0; i-- {
		s.WriteByte(base58Alphabet[digits[i]])
	}
	return s.String()
}

// base58Decode is the inverse of base58Encode; ok is false if s holds a
// character outside the alphabet. The caller bounds the length of s.
func base58Decode(s string) (b []byte, ok bool) {
	rest := strings.TrimLeft(s, "1")
	var digits []byte // little endian, base 256
	for _, r := range []byte(rest) {
		d := strings.IndexByte(base58Alphabet, r)
		if d < 0 {
			return nil, false
		}
		digits = mulAdd(digits, 58, 256, d)
	}
	b = make([]byte, len(s)-len(rest), len(s)-len(rest)+len(digits))
	for i := len(digits) - 1; i >= 0; i-- {
		b = append(b, digits[i])
	}
	return b, true
}

// mulAdd returns n*factor + carry, where n is a little-endian number with
// digits below base.
func mulAdd(n []byte, factor, base, carry int) []byte {
	for i, d := range n {
		carry += int(d) * factor
		n[i] = byte(carry % base)
		carry /= base
	}
	for ; carry > 0; carry /= base {
		n = append(n, byte(carry%base))
	}
	return n
}
