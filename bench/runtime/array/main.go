// Command array sums and updates a slice in one goroutine: the price of plain
// reads and writes.
package main

import "fmt"

func main() {
	const length, rounds = 1 << 16, 1000
	values := make([]int64, length)
	for round := range rounds {
		for i := range values {
			values[i] += int64(i ^ round)
		}
	}
	var sum int64
	for _, value := range values {
		sum += value
	}
	fmt.Println(sum)
}
