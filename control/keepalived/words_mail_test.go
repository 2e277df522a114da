package keepalived

import (
	"fmt"
	"testing"
	"time"
)

// Which changes are told by mail, as keepalived 2.2.7 was seen to do: a server does not
// inherit it from its service, and without any word servers have it and services not.
func TestWhichChangesAreMailed(t *testing.T) {
	for _, tt := range []struct {
		global, service, server string
		want                    string // of the service and its server
	}{
		{"", "", "", "false true"},
		{"smtp_alert", "", "", "true true"},
		{"smtp_alert off", "", "", "false false"},
		{"smtp_alert off\nsmtp_alert_checker on", "", "", "true true"},
		{"smtp_alert on\nsmtp_alert_checker off", "", "", "false false"},
		{"smtp_alert_checker on", "smtp_alert off", "", "false true"},
		{"", "smtp_alert", "", "true true"},
		{"", "smtp_alert off", "", "false true"},
		{"smtp_alert off", "", "smtp_alert", "false true"},
		{"", "", "smtp_alert no", "false false"},
		{"no_checker_emails", "", "", "false true"},
	} {
		c, ds := load(t, "global_defs {\n"+tt.global+"\n}\n"+service(tt.service+"\nreal_server 10.0.0.2 80 {\n"+tt.server+"\n}"), nil)
		v := c.VirtualServers[0]
		if got := fmt.Sprint(v.Alert, v.RealServers[0].Alert); got != tt.want || ds.Max() > Note {
			t.Errorf("%+v: %s, want %s; %v", tt, got, tt.want, ds)
		}
	}
}

func TestMailWords(t *testing.T) {
	c, ds := load(t, "global_defs {\nnotification_email {\na@example.org\nb@example.org\n}\nnotification_email_from \"lvs director\"\nsmtp_server 10.0.0.5 2525\nsmtp_helo_name h\nsmtp_connect_timeout 7\n}\n", nil)
	if got, want := fmt.Sprint(c.Global.Mail), fmt.Sprint(Mail{"10.0.0.5:2525", "h", 7 * time.Second, "lvs director", []string{"a@example.org", "b@example.org"}}); got != want || ds.Max() > Note {
		t.Errorf("%s, want %s; %v", got, want, ds)
	}
	for in, want := range map[string]string{"smtp_server 10.0.0.5": "10.0.0.5:25", "smtp_server fd00::5": "[fd00::5]:25", "smtp_server mail.example.org 587": "mail.example.org:587"} {
		if c, ds := load(t, "global_defs {\n"+in+"\n}\n", nil); c.Global.Mail.Server != want || ds.Max() > Note {
			t.Errorf("%s: %s, want %s; %v", in, c.Global.Mail.Server, want, ds)
		}
	}
	for in, want := range map[string]string{
		"smtp_server a@b":         `f:2: warning: smtp_server: "a@b" is no IP address and no name of a host; the line is left out`,
		"smtp_server a 65536":     "f:2: warning: smtp_server: port: 65536 is not between 1 and 65535; the line is left out",
		"smtp_connect_timeout 0":  "f:2: error: smtp_connect_timeout: 0 is not between 1 and 4294; the line is left out",
		"smtp_alert perhaps":      `f:2: error: smtp_alert: "perhaps" is neither on`,
		"notification_email {\n}": "f:2: warning: notification_email: has no address in it",
	} {
		_, ds := load(t, "global_defs {\n"+in+"\n}\n", nil)
		wantReport(t, ds, want)
	}
}
