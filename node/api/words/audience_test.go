package words

import "testing"

func TestReaders(t *testing.T) {
	for _, c := range []struct {
		a    Audience
		want string
	}{
		{Audience{Members: 8, Key: true}, "PLAIN · anyone relaying can read"},
		{Audience{E2EE: true, Plain: true, Members: 8, Key: true}, "PLAIN · anyone relaying can read"},
		{Audience{E2EE: true, Members: 8}, "sealed, once there is a key · a line is held until then"},
		{Audience{Out: true, E2EE: true, Members: 8}, "nobody: you are not a member any more"},
		{Audience{E2EE: true, Key: true, Members: 1}, "sealed · nobody else is here yet"},
		{Audience{E2EE: true, Key: true, Members: 8}, "sealed for 8"},
		{Audience{E2EE: true, Key: true, Members: 8, Cannot: []string{"carol"}}, "sealed for 7 · carol has no key yet"},
		{Audience{E2EE: true, Key: true, Members: 8, Cannot: []string{"carol", "dave"}}, "sealed for 6 · carol and dave have no key yet"},
		{Audience{E2EE: true, Key: true, Members: 8, Cannot: []string{"carol", "dave", "erin"}}, "sealed for 5 · carol and 2 others have no key yet"},
	} {
		if got := Readers(c.a); got != c.want {
			t.Errorf("%+v: %q", c.a, got)
		}
	}
}

func TestSigns(t *testing.T) {
	one, three := 1, 3
	for got, want := range map[string]string{
		Presence("owner", true):        "●★",
		Presence("deputy", false):      "○◆",
		Presence("member", true):       "● ",
		Ticks("held", nil, nil):        "held",
		Ticks("delivered", &one, &one): "✓✓",
		Ticks("sent", &one, &three):    "✓ 1/3",
		Ticks("sent", &one, &one):      "✓",
		Ticks("", nil, nil):            "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
