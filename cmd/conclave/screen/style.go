package screen

import (
	"image/color"

	"charm.land/lipgloss/v2"
)

// palette is how the kinds of rows look. Without colours a plain row is shown
// inverted, and what is chosen is bold.
type palette struct {
	plain  lipgloss.Style // whatever anyone who relays it can read
	faint  lipgloss.Style // events, what is held, what is missing
	chosen lipgloss.Style // the open group, keys to press
	own    lipgloss.Style // one's own name
	name   lipgloss.Style
	alarm  lipgloss.Style
	rule   lipgloss.Style
}

// newPalette makes the colours for a terminal with a dark or a light background.
func newPalette(dark, mono bool) palette {
	if mono {
		return palette{
			plain: lipgloss.NewStyle().Reverse(true), faint: lipgloss.NewStyle().Faint(true), chosen: lipgloss.NewStyle().Bold(true),
			own: lipgloss.NewStyle(), name: lipgloss.NewStyle().Bold(true), alarm: lipgloss.NewStyle().Bold(true).Reverse(true), rule: lipgloss.NewStyle().Faint(true),
		}
	}
	pick := lipgloss.LightDark(dark)
	ink := func(light, dark string) color.Color { return pick(lipgloss.Color(light), lipgloss.Color(dark)) }
	return palette{
		plain:  lipgloss.NewStyle().Background(lipgloss.Color("#ffd75f")).Foreground(lipgloss.Color("#000000")),
		faint:  lipgloss.NewStyle().Foreground(ink("#585858", "#a8a8a8")),
		chosen: lipgloss.NewStyle().Bold(true).Foreground(ink("#005f87", "#87d7ff")),
		own:    lipgloss.NewStyle().Foreground(ink("#585858", "#a8a8a8")),
		name:   lipgloss.NewStyle().Foreground(ink("#005f87", "#87d7ff")),
		alarm:  lipgloss.NewStyle().Bold(true).Foreground(ink("#af0000", "#ff8787")),
		rule:   lipgloss.NewStyle().Foreground(ink("#a8a8a8", "#585858")),
	}
}
