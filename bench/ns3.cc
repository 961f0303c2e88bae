// ns-3's dumbbell beside bench/sim.c: one TcpCubic bulk flow, 96 Mbit/s, 10 ms each way, 800 packets.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"

using namespace ns3;

int main(int argc, char **argv)
{
	double secs = argc > 1 ? atof(argv[1]) : 20;

	Config::SetDefault("ns3::TcpL4Protocol::SocketType", StringValue("ns3::TcpCubic"));
	Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(1448));
	Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
	Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(1 << 26));
	Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(1 << 26));

	NodeContainer nodes; // sender, router, receiver
	nodes.Create(3);
	PointToPointHelper fast, slow;
	fast.SetDeviceAttribute("DataRate", StringValue("10Gbps"));
	fast.SetChannelAttribute("Delay", StringValue("1us"));
	slow.SetDeviceAttribute("DataRate", StringValue("96Mbps"));
	slow.SetChannelAttribute("Delay", StringValue("10ms"));
	slow.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue("800p"));
	NetDeviceContainer edge = fast.Install(nodes.Get(0), nodes.Get(1));
	NetDeviceContainer core = slow.Install(nodes.Get(1), nodes.Get(2));
	InternetStackHelper stack;
	stack.Install(nodes);
	Ipv4AddressHelper addr;
	addr.SetBase("10.1.1.0", "255.255.255.0");
	addr.Assign(edge);
	addr.SetBase("10.1.2.0", "255.255.255.0");
	Ipv4InterfaceContainer ip = addr.Assign(core);
	Ipv4GlobalRoutingHelper::PopulateRoutingTables();

	BulkSendHelper source("ns3::TcpSocketFactory", InetSocketAddress(ip.GetAddress(1), 9));
	source.SetAttribute("MaxBytes", UintegerValue(0));
	source.Install(nodes.Get(0)).Start(Seconds(0));
	PacketSinkHelper sink("ns3::TcpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), 9));
	ApplicationContainer sinks = sink.Install(nodes.Get(2));

	auto start = std::chrono::steady_clock::now();
	Simulator::Stop(Seconds(secs));
	Simulator::Run();
	double t = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
	double bytes = DynamicCast<PacketSink>(sinks.Get(0))->GetTotalRx(), packets = bytes / 1448;
	printf("ns-3   dumbbell        1 flows: %6.3f M packets/s, %5.0f ns/packet, %6.1f x real time, %.2f Mbit/s of goodput\n",
		packets / t * 1e-6, t * 1e9 / packets, secs / t, bytes * 8e-6 / secs);
	Simulator::Destroy();
	return 0;
}
