// Load is the gateway under load: payments from many clients, then a reload of the routes while they run.
//
// It writes a profile of its locks to the file named by the first argument, and then dies as the gateway dies in
// production: `fatal error: concurrent map read and map write`.
package main

import (
	"crypto/sha256"
	"log"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	gateway "example.com/payment-gateway"
)

// Journal is what every payment is written to, one after another.
type Journal struct {
	mu      sync.Mutex
	entries []string
	seal    [sha256.Size]byte
}

// Append adds an entry and brings the seal up to date. It holds the lock while it
// computes the seal over all entries, so payments wait for each other.
func (j *Journal) Append(entry string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry)
	if len(j.entries) > 1000 {
		j.entries = j.entries[:0]
	}
	j.seal = sha256.Sum256([]byte(strings.Join(j.entries, "\n")))
}

func routes() map[string]*gateway.ChannelConfig {
	return map[string]*gateway.ChannelConfig{
		"EUR": {Name: "adyen", Endpoint: "adyen:443", Enabled: true},
		"USD": {Name: "stripe", Endpoint: "stripe:443", Enabled: true},
	}
}

func pay(table *gateway.RouteTable, journal *Journal, stop <-chan struct{}) {
	for payment := 0; ; payment++ {
		select {
		case <-stop:
			return
		default:
		}
		config, err := table.Route("EUR")
		if err != nil {
			log.Print(err)
			continue
		}
		if payment%100 == 0 {
			journal.Append(config.Name)
		}
	}
}

func writeProfile(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.Lookup("mutex").WriteTo(file, 0); err != nil {
		return err
	}
	return file.Close()
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: load MUTEX-PROFILE")
	}
	runtime.SetMutexProfileFraction(1)
	table, journal, stop := gateway.NewRouteTable(routes()), &Journal{}, make(chan struct{})
	for range 8 {
		go pay(table, journal, stop)
	}
	time.Sleep(500 * time.Millisecond)
	if err := writeProfile(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	// Operators change a channel while payments run.
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		table.Reload(routes())
	}
	close(stop)
}
