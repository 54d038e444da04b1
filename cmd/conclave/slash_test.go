package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A line behind a slash is the command line of this program, with the open group
// where a command takes one.
func TestSlash(t *testing.T) {
	const gid = "aaaa"
	s := slash{&app{timeout: time.Minute, home: "/there", homeGiven: true}}
	for line, want := range map[string]string{
		"kick ·x81TaQ":           "kick|aaaa|x81TaQ",
		"link --uses 3":          "invite|aaaa|--link|--uses|3",
		"deputy add bob":         "deputy|add|aaaa|bob",
		"rename the  book club":  "group|rename|aaaa|the  book club",
		"name Ann O'Hara":        "name|Ann O'Hara",
		`verify  "two words"`:    "verify|two words",
		"encryption off":         "encryption|aaaa|off",
		"retention --keep   90d": "retention|aaaa|--keep|90d",
		"members":                "members|aaaa",
	} {
		got, err := s.expand(gid, line)
		if want := append([]string{"--timeout", "1m0s", "--home", "/there"}, strings.Split(want, "|")...); err != nil || !slices.Equal(got, want) {
			t.Errorf("/%s is %q, %v", line, got, err)
		}
	}
	for _, line := range []string{"stop", "up", "backup x", "", "kick"} {
		if got, err := s.expand("", line); err == nil {
			t.Errorf("/%s is %q", line, got)
		}
	}
}

// Every command of the list is one of this program, and takes what it says.
func TestSlashedExist(t *testing.T) {
	for _, c := range slashed() {
		args, err := slash{&app{}}.expand("aaaa", c.Name())
		if err != nil {
			t.Fatal(err)
		}
		cmd, _, err := newRoot(&app{}).Find(args[2:])
		if err != nil || !cmd.HasParent() {
			t.Errorf("/%s is no command: %v", c.Use, err)
		}
	}
}
