// Runs an ONNX file in OpenCV: onnx_opencv FILE COLUMNS ROWS: rows of floats from standard input, one float a row out.
#include <cstdio>
#include <cstdlib>
#include <opencv2/dnn.hpp>

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	int columns = atoi(argv[2]), rows = atoi(argv[3]);
	cv::Mat x(rows, columns, CV_32F);

	if (fread(x.data, sizeof(float), x.total(), stdin) != x.total())
		return 1;
	cv::dnn::Net net = cv::dnn::readNetFromONNX(argv[1]);
	net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
	net.setInput(x, "state");
	cv::Mat y = net.forward();
	if (y.total() != (size_t)rows || y.type() != CV_32F)
		return 1;
	return fwrite(y.data, sizeof(float), rows, stdout) != (size_t)rows;
}
