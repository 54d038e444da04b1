package keys

import (
	"bytes"
	"testing"
)

func TestMessageRoundTrip(t *testing.T) {
	key := Secret{1}
	for _, n := range []int{0, 1, 127, 128, 5000} {
		text := bytes.Repeat([]byte{0}, n)
		commit, ct := SealMessage(key, testHash(2), testHash(3), text)
		got, err := OpenMessage(key, testHash(2), testHash(3), commit, ct)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes: got %d, %v", n, len(got), err)
		}
	}
}
