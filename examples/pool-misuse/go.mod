module example.com/pool-misuse

go 1.22
