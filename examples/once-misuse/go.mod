module example.com/once-misuse

go 1.22
