module example.com/payment-gateway

go 1.22
