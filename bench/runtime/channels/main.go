// Command channels plays ping-pong over unbuffered channels and passes items
// through a buffered pipeline.
package main

import "fmt"

func pingPong(rounds int) {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for n := range ping {
			pong <- n + 1
		}
		close(pong)
	}()
	for n := range rounds {
		ping <- n
		<-pong
	}
	close(ping)
}

func pipeline(items int) (sum int) {
	source, doubled := make(chan int, 64), make(chan int, 64)
	go func() {
		for n := range items {
			source <- n
		}
		close(source)
	}()
	go func() {
		for n := range source {
			doubled <- 2 * n
		}
		close(doubled)
	}()
	for n := range doubled {
		sum += n
	}
	return sum
}

func main() {
	pingPong(150_000)
	fmt.Println(pipeline(300_000))
}
