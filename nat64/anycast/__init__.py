"""What a gateway among several announces of itself: probes of its services, the verdict, and the marks that FRR announces."""
